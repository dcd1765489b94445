"""What detections are worth, category by category: a folder's own code finds them, this
counts them."""
