"""What a release needs besides the package: is a wheel whole, and whose works are linked into it."""
