"""Questions to files: rows, formats, atomic replacement and remote storage."""
