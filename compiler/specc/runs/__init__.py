"""Runs of emitted train.py: read without PyTorch, compared, and jobs for more of them."""
