"""What the console is made of; the only packages that know Textual are this one and ``app.console``."""
