"""Error rates of comparisons: genuine and impostor pairs, thresholds, bootstrap intervals."""
