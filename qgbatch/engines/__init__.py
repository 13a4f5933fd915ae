"""Chunks to generations: running the model in batches."""
