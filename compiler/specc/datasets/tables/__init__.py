"""Finds tables: files with a row for each image, or for each object of an image. What
was found in one is told by the `layout` of a job, as the emitted readers take it."""
