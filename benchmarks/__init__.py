"""One script per figure in the README; each prints the machine, the command, the figures and their ratio to the bound."""
