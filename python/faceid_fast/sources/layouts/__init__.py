"""Layouts of frames in files and folders: one module for each data set or program."""
