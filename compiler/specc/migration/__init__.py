"""`specc migrate`: weights of one job as weights of another, matched by names."""
