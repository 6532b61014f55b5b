"""How captures lie in files and folders: one data set or program's layout a file."""
