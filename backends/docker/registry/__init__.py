"""Registries as a node's engine sees them: names of images, accounts, pulls, and whether something newer is there."""
