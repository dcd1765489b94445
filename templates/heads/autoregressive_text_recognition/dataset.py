# ==== parsers


def tokens_of(indices: list[int], names: tuple[str, ...]) -> list[str]:
    """Returns the tokens of a text by their indices, without the end token."""
    return [names[i] for i in indices if i < len(names)]
