"""The one long-running sampler of each node: its shell program, its framing, its pace, and who listens."""
