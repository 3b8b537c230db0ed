"""This machine, through the same face as any other."""
