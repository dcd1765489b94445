"""Builds the level graph of a job, and computes its costs: the only home of shapes."""
