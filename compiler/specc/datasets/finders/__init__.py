"""Finds datasets in the layouts of other tools: a module a format, beside it what the
module alone needs. What formats with a file of labels an image share is in `pairs`."""
