"""How fast the matcher is beside its peers, and whether it is exact meanwhile."""
