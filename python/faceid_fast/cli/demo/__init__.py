"""`faceid demo`: enrolling and unlocking with bundled renders, told as a story."""
