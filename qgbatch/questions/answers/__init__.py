"""Answers to questions, found in the chunk by an extractive model."""
