"""Captures of real people on disk, one file per layout; see `training.data.layouts.reading`."""
