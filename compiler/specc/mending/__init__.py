"""Edits that mend a job: each is tried before it is called certain, and no edit that is
made brings a new finding."""
