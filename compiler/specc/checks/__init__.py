"""Checks of a job: one function for each rule; the docstring states the rule."""
