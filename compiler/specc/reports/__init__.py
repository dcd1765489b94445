"""A page on a run: curves, metrics, the best and the worst predictions."""
