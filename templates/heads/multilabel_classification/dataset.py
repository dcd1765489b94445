# ==== sets


def check_constant(samples: list[Sample], use: str, head: str, names: tuple[str, ...]):
    """Ends the run where all images to train on have the same labels; tells which ones
    every image has."""
    labels = [sample.labels[head] for sample in samples if head in sample.labels]
    if use == "train" and not np.ptp(labels, 0).any():
        raise SystemExit(
            f"{head}: all {len(labels)} images to {use} on have the same labels"
        )
    if always := [name for name, of_all in zip(names, np.all(labels, 0)) if of_all]:
        told = f"{len(always)} of {len(names)}: {', '.join(always[:9])}"
        say(f"{head}: in every image to {use} on, {told}")


# ==== parsers


def parse_labels(given: object, known: dict[str, int], counts: Counter) -> np.ndarray:
    """Returns which labels an image has, 0 or 1 each."""
    if not isinstance(given, list):
        raise ValueError(f"not a list of labels: {given!r:.100}")
    present = np.zeros(1 + max(known.values()), np.float32)
    for name in (str(name).strip() for name in given):
        if is_named(name, known, counts):
            present[known[name]] = 1
    return present


def labels_of_category(category: int, names: tuple[str, ...]) -> np.ndarray:
    """Returns an image's one category as labels, 0 or 1 each."""
    return np.eye(len(names), dtype=np.float32)[category]


def labels_of_map(
    path: Path, colors: tuple, count: int, height: int, width: int
) -> np.ndarray:
    """Returns whether an image has pixels of each of `count` categories, 0 or 1, by the
    colors of its map; black is no category."""
    parse_map(path, height, width, COLOR_MODES)
    try:
        with opened(noted(path)) as image:
            pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    except Exception as error:  # decoders raise many kinds of errors on broken files
        raise ValueError(f"its map is not an image: {path}: {error}") from None
    found = {tuple(color) for color in np.unique(pixels, axis=0).tolist()}
    places = {(0, 0, 0): -1} | dict(colors)
    unknown = sorted(found - places.keys())
    if unknown:
        raise ValueError(f"{path}: no category has the color {list(unknown[0])}")
    present = {places[color] for color in found}
    return np.array([place in present for place in range(count)], np.float32)


def labels_of_objects(objects: Objects, names: tuple[str, ...]) -> np.ndarray:
    """Returns whether an image has objects of each category, 0 or 1."""
    present = np.zeros(len(names), np.float32)
    present[objects.classes] = 1
    return present
