"""The job language: turns bytes into values that fit the schema. These modules know
JSON and the schema, and no head by name."""
