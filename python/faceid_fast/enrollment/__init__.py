"""Enrol a person: references from frames, the poses they cover, outliers, and the result."""

from faceid_fast.aliases import lookup

__getattr__ = lookup("enrollment")  # names of the former module `enrollment`
