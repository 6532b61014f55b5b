"""Read pictures and arrays from untrusted files, with bounds and checks."""
