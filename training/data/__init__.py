"""From renders and real captures to shards of tensors, and from shards to batches."""
