"""Reading files: inputs to documents, one module per format, and rows of tables."""
