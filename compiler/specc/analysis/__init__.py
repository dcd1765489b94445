"""Runs all passes that find something in a job, together. Where the schema refuses a
value, the later passes read the job on without it."""
