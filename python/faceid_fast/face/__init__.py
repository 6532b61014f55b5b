"""Turn a frame into the vector of a live face: align, check liveness, embed."""

from faceid_fast.aliases import lookup

__getattr__ = lookup("face")  # names of the former module `face`
