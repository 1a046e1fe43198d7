"""Training of the built-in networks; not in the wheel. Run from the repository root: `python -m training.train`."""
