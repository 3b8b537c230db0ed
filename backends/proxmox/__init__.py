"""Proxmox VE clusters over their HTTPS API."""
