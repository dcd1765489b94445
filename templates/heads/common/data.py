# ==== placing


def check_maps(samples: Sequence, use: str, head: str, read: Callable, fewest: int):
    """Ends the run where a head's maps hold too few values from 0 on to learn from, or
    to be measured by. It reads no more of them than it has to."""
    found, maps, fault, fewest = set(), 0, "", fewest if use == "train" else 1
    for sample in samples:
        if head not in sample.labels:
            continue
        maps += 1
        try:
            values = read(sample.labels[head])
            found.update(np.unique(values[values >= 0])[:fewest].tolist())
        except ImageError as error:  # named again when it is trained on
            fault = f"\n  {error}"
        if len(found) >= fewest:
            return
    what = f"{len(found)} kinds of values in {maps} maps to {use} on"
    raise SystemExit(f"{head}: {what}, too few{fault}")


def in_8_bits(image: np.ndarray, path: Path) -> np.ndarray:
    """Returns the pixels of an image; of 16 bits, so that WHITE becomes 255."""
    if image.dtype == np.uint8:
        return image
    if image.dtype != np.uint16:
        raise ImageError(f"{path}: values of {image.dtype}, not of 8 or 16 bits")
    if image.max() > WHITE:
        raise ImageError(f"{path}: a value of {image.max()}, by `bits` {WHITE} at most")
    return cv2.convertScaleAbs(image, alpha=255 / WHITE)
