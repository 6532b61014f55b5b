"""Comparing a probe with a gallery, and deciding: exact search, thresholds, decisions."""
