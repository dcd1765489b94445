"""What the templates say, as plain values: a module for each emitted file or concern."""
