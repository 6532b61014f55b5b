"""Depth cameras: projection, rasteriser, and what their sensors make of an ideal scene."""
