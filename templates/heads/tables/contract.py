# ==== made


def flags_of(labels: list[str], names: tuple[str, ...]) -> dict[str, int]:
    """Returns the cells of the columns of an image's labels, and of others."""
    return {name: int(name in labels) for name in names}
