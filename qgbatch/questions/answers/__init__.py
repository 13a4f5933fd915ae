"""Answers questions with extractive models, which return a span of the text."""
