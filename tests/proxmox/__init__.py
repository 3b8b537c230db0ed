"""Virtual machines of Proxmox VE, against a peer that checks every request as Proxmox does."""
