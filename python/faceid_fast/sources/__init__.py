"""Sources of frames: cameras, recordings, data sets and files."""
