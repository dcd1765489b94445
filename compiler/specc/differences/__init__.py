"""`specc diff`: what a change of a job means for weights, callers and emitted lines."""
