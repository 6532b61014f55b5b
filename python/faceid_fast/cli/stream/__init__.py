"""`faceid stream` and `faceid record`: frames of a camera, judged or recorded as they come."""
