"""`faceid demo`: the whole path on bundled renders, told as a story."""
