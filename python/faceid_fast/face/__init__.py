"""From a frame to the vector of a live face: align, check liveness, embed."""

from faceid_fast.aliases import lookup

__getattr__ = lookup("face")  # names that this was a module of
