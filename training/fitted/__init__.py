"""What is fitted to rendered faces and ships: head model, pose correction, liveness limits."""
