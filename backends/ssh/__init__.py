"""Remote nodes over SSH: one connection per host, strict about who answers."""
