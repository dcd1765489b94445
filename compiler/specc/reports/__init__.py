"""A report on a run: one page with curves, metrics, the best and the worst predictions."""
