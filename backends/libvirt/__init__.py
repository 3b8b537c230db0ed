"""libvirt/KVM hosts, reached over their node's connection."""
