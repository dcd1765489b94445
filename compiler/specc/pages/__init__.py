"""The documentation that `specc docs` prints: files, and pages made from the schema."""
