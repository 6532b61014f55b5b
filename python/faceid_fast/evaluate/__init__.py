"""How good is it? Error rates over pairs of captures, by protocol."""
