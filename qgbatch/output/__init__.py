"""Write questions to files: rows, formats, atomic replacement and remote file systems."""
