"""`specc why` and `specc where`: which fields of a job make which emitted lines.

Both are answered by one relation: a field makes a line if another valid value of the
field alone, rendered by the same passes, changes the line. Nothing is stored for that,
and emitted code holds nothing for it.
"""
