"""One script per figure in the README; each prints machine, command, figures and their ratio to the bound."""
