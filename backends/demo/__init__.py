"""A labelled pretend fleet: for a first look, for screenshots, and for trying large fleets. Nothing here is real."""
