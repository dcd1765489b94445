"""The plan, plain values for the templates: a module for each emitted file or
concern."""
