"""Documents to chunks: sentences, packed up to a token limit."""
