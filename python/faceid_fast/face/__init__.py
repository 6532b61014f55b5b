"""From a frame to the vector of a live face: align, check liveness, embed."""
