# ==== readers


def as_number(text: str) -> float | str:
    """The number of a cell; `parse_number` says what is wrong with any other text."""
    try:
        return float(text)
    except ValueError:
        return text


# ==== readers_native


def read_numbers(folder: Path, limits: tuple[float, float]) -> dict:
    """Numbers by image, once the dataset's range is known to be the job's."""
    path, entries = entries_of(folder, "regression")
    for entry in entries:
        if entry.get("range") == list(limits):
            return annotations_of(path, entry)
    given = " and ".join(repr(entry.get("range")) for entry in entries)
    raise SystemExit(f"{path}: the range is {given:.200}, the job's is {list(limits)}")


# ==== parsers


def parse_number(given: object, limits: tuple[float, float]) -> float:
    """An image's number; ValueError where it is none, or lies outside the range."""
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        raise ValueError(f"not a number: {given!r:.100}")
    lowest, highest = limits
    if not lowest <= given <= highest:
        raise ValueError(
            f"{given!r:.100} lies outside the range of {lowest}..{highest}"
        )
    return float(given)
