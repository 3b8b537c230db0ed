"""Compose stacks: declared in hosts.yaml or found by their labels, driven by the compose program of their node."""
