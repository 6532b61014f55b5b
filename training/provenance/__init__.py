"""Where files come from: the repository's root and commit, and the manifest of the shipped model files."""
