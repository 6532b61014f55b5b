"""`faceid bench`: the matcher and the stages, timed on this machine."""
