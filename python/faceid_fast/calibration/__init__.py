"""What measured figures allow: thresholds from the tail of impostor distances, with their evidence."""
