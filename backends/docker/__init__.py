"""Containers, images, volumes and networks of Docker-compatible engines, near and far."""
