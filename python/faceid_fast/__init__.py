"""Face unlock for any depth camera."""
