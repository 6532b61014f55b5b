"""Thresholds and their evidence: impostor tails, exact binomial bounds, measured thresholds."""

from faceid_fast.aliases import lookup

__getattr__ = lookup("calibration")  # names of the former module `calibration`
