"""Taking up a person: poses, outliers, and what came of it."""

from faceid_fast.aliases import lookup

__getattr__ = lookup("enrollment")  # names that this was a module of
