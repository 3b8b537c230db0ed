"""The kinds: one file each, cheap to import, shared by backends and everything drawn from them."""
