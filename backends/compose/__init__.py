"""Compose stacks, declared or found running, through the compose program of their node."""
