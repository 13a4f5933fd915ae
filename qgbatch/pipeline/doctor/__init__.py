"""``qgbatch doctor``: checks everything that a run needs, and says how to fix what is wrong."""
