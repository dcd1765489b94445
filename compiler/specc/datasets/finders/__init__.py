"""Finds datasets whose labels stand in a file for each image: by folders that are paired
with folders, and by lists of paths. A module knows one format; what formats share is in
`pairs`."""
