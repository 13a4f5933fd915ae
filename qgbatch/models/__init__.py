"""Finds checkpoints, checks their files, and turns text into token ids and back."""
