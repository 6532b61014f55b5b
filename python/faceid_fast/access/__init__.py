"""Who may try, and when a face is not enough: rate limit, lockout, credential."""
