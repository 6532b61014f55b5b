"""Limits on attempts: the rate limit, lockout, and the credential for when a face is not enough."""
