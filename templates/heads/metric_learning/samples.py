# ==== columns


class Identity(str):
    """The name of an identity, and its number among those of its set."""

    number: int

    def __new__(cls, name: str, number: int):
        identity = super().__new__(cls, name)
        identity.number = number
        return identity


def identities(name: str, values: list[str]) -> dict[str, np.ndarray]:
    """Makes a column of identities: each one once, sorted, and indices."""
    known = sorted(set(values))
    places = {value: place for place, value in enumerate(known)}
    which = np.array([places[value] for value in values], np.int64)
    return texts(name, known) | {f"{name}/which": which}
