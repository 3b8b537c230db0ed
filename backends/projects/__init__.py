"""Project stacks launched from a definition through an engine's API."""
