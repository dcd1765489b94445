"""Scores of detections, category by category: a folder's own code finds them, this
counts them."""
