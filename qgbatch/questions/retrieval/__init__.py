"""Test sets for retrieval: all passages, the difficulty of a question, and its other right passages."""
