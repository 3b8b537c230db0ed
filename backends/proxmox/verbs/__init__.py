"""What can be done to guests of Proxmox VE clusters, one family of verbs in each module."""
