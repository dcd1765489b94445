# ==== readers


def is_named(given: object, known: dict[str, int], counts: Counter) -> bool:
    """Whether the job has the name that an annotation is; others are counted."""
    if str(given) not in known:
        counts[f"what the job does not name, left out: {given!s:.60}"] += 1
    return str(given) in known


# ==== parsers


def parse_category(given: object, known: dict[str, int]) -> int:
    """Index of an image's category; ValueError where the job has none of that name."""
    if str(given) not in known:
        raise ValueError(f"not a category of the job: {given!r:.100}")
    return known[str(given)]
