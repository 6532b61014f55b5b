"""Open networks that know real faces: what the picture's network starts from, and what it is taught by."""
