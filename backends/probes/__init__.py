"""The questions that fill a node's row: one module per group, each parser pure and tested on recorded answers."""
