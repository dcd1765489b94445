"""From a job to its level graph, and from the graph to what it costs: the only home of
shapes."""
