"""`faceid stream` and `faceid record`: a camera, its frames, and a verdict as they come."""
