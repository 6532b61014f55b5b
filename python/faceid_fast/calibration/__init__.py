"""What measured figures allow: thresholds from the tail of impostor distances, with their evidence."""

from faceid_fast.aliases import lookup

__getattr__ = lookup("calibration")  # names that this was a module of
