"""Adapters to outside systems, one module or package each, and the kinds they fill."""
