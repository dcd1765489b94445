# ==== parsers


def parse_category(given: object, known: dict[str, int]) -> int:
    """Index of an image's category; ValueError where the job has none of that name."""
    category = known.get(str(given).strip())
    if category is None:
        raise ValueError(f"not a category of the job: {given!r:.100}")
    return category
