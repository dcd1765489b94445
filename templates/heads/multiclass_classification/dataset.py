# ==== parsers


def parse_category(given: object, names: tuple[str, ...]) -> int:
    """Index of an image's category; ValueError where the job has none of that name."""
    if str(given) not in names:
        raise ValueError(f"not a category of the job: {given!r:.100}")
    return names.index(str(given))
