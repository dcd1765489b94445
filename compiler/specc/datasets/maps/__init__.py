"""Finds images beside maps: by names first, then by a look at the pixels of some."""
