# ==== parsers


def tokens_of(indices: list[int], names: tuple[str, ...]) -> list[str]:
    """The tokens of a text by their indices, of which those of its end are left out."""
    return [names[i] for i in indices if i < len(names)]
