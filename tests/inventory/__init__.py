"""hosts.yaml: finding, reading, checking, explaining, editing and watching it."""
