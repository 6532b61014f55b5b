"""Pictures and arrays as files of strangers: bounded, checked, decoded."""
