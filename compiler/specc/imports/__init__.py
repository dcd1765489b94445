"""`specc import`: a dataset in one of many layouts, rewritten in the native layout."""
