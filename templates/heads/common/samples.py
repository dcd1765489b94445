# ==== columns


def ragged(name: str, values: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Makes a column of several rows for each sample."""
    ends = np.cumsum([0, *map(len, values)])
    values = np.concatenate(values) if values else np.empty(0)
    return {name: values, f"{name}/ends": ends}


def texts(name: str, values: list[str | bytes]) -> dict[str, np.ndarray]:
    """Makes a column of a text for each sample, whose rows are bytes."""
    return ragged(name, [np.frombuffer(os.fsencode(x), np.uint8) for x in values])


def shared(name: str, values: list[tuple]) -> dict[str, np.ndarray]:
    """Makes a column of values that samples share: each value once, and indices."""
    known = {id(value): value for value in values}
    indices = {key: index for index, key in enumerate(known)}
    which = np.array([indices[id(value)] for value in values], np.int64)
    return texts(name, [repr(x) for x in known.values()]) | {f"{name}/which": which}


@functools.lru_cache(maxsize=8)
def value_in(text: str) -> tuple:
    return ast.literal_eval(text)


def encoded_masks(text: str, height: int, width: int) -> tuple[dict, ...]:
    """Returns masks as COCO's run lengths, which spaces part in the text."""
    size = [height, width]
    return tuple({"size": size, "counts": runs.encode()} for runs in text.split())
