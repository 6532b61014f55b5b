"""Adapted references: they follow how a person looks, without following anybody else."""
