"""The output of a run as one HTML page."""
