"""The job language: bytes to values that fit the schema. Knows JSON and the schema, and no
head by name."""
