"""`faceid bench`: times of the matcher and of the stages of a verification, on this machine."""
