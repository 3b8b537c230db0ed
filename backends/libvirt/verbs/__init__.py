"""What can be done to the guests of a node's libvirt, by ``virsh``; one family of verbs a file."""
