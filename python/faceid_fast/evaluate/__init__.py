"""Error rates of comparisons and of attack detection, measured on captures."""
