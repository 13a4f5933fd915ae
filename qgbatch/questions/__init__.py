"""Generations to questions: extraction, filters, deduplication and answers."""
