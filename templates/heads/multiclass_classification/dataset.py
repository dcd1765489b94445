# ==== parsers


def parse_category(given: object, known: dict[str, int]) -> int:
    """Returns the index of an image's category; ValueError if the job lacks it."""
    category = known.get(str(given).strip())
    if category is None:
        raise ValueError(f"not a category of the job: {given!r:.100}")
    return category
