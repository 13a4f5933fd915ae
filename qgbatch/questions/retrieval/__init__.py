"""What makes questions a test of retrieval systems: which to keep, keyword queries, ranks and splits."""
