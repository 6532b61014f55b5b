"""Presentation attacks, rendered by species of their instrument or printed on a real sheet."""
