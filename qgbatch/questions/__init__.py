"""Turns generations into questions: extraction, filters, deduplication and answers."""
