"""Checkpoints: finding, checking and describing them, and their tokenizers."""
