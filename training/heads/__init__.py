"""The parametric head that every render comes from: its data file and its vertices."""
