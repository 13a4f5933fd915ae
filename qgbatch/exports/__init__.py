"""The output of a run, written in the forms that other tools read."""
