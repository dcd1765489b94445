# ==== readers_native


def read_numbers(folder: Path, limits: tuple[float, float]) -> dict:
    """Loads numbers by image; checks that the dataset has the range of the job."""
    path, entry = entry_with_range(folder, "regression", list(limits))
    return annotations_of(path, entry)


# ==== parsers


def parse_number(given: object, limits: tuple[float, float]) -> float:
    """Returns an image's number, perhaps as text; ValueError where it is none, or lies
    outside the range."""
    try:
        number = float(given)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"not a number: {given!r:.100}") from None
    lowest, highest = limits
    if isinstance(given, bool) or not lowest <= number <= highest:
        raise ValueError(
            f"{given!r:.100} lies outside the range of {lowest}..{highest}"
        )
    return number
