"""What can be done to what an engine holds: one module for each kind, made of small families of verbs."""
