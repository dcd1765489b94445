"""Predictions as annotations that labeling tools read, so that a model labels the next
batch of images before a person does."""
