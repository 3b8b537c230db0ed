"""What can be read of guests, hypervisors and storages while somebody looks: one family of views in each module."""
