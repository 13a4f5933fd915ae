"""Cuts documents into chunks of whole sentences that fit a token limit."""
