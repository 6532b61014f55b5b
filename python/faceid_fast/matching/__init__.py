"""Compare probes with a gallery and decide: exact search, thresholds, decisions."""
