"""``qgbatch doctor``: checks that a run would succeed, before it starts."""
