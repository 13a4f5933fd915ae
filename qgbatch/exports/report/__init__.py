"""``qgbatch report``: shows the output of a run as one HTML page, questions beside their passages."""
