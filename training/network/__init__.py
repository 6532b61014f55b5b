"""The network, its losses, the training loop, and what a run's folder keeps."""
