"""The application: nothing in here knows a container from a virtual machine."""
