"""Makes the documentation site of docs/, and checks it: see `make docs`. No part of the package."""
