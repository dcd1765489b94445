# ==== columns


def identities(name: str, values: list[str]) -> dict[str, np.ndarray]:
    """Makes a column of identities: each one once, sorted, and indices."""
    known = sorted(set(values))
    places = {value: place for place, value in enumerate(known)}
    which = np.array([places[value] for value in values], np.int64)
    return texts(name, known) | {f"{name}/which": which}
