"""Which state of the repository and which aligner made a file, and the manifest of the model files that ship."""
