"""Cameras, one driver a file; what all of them share stands in `base`."""
