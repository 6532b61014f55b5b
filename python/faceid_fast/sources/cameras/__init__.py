"""Cameras: one driver in each module, and their common base class in `base`."""
