"""Runs of emitted train.py, read without PyTorch and compared, and jobs for more."""
