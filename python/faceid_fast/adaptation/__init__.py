"""Adapted references: they follow a person's changing look, but never an impostor."""
