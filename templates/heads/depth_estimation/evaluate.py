# ==== words


def to_depth(
    results: dict, row: int, stride: int, sample: Sample, seen: tuple[int, int]
) -> np.ndarray:
    """Returns the depth of each pixel, (height, width) of the image."""
    depth = results["depth"][row : row + 1]
    depth = enlarge(depth, stride, seen, (sample.height, sample.width))
    return depth[0, 0].cpu().numpy()


# ==== metrics


def depth_errors(truth: np.ndarray, found: np.ndarray, least: float) -> np.ndarray:
    """Sums over the pixels whose depth is known: of ones, squares, absolute values and
    relative values of the error, and of what is right up to a factor of 1.25, 1.25^2,
    1.25^3. The map `truth` may be smaller than the image."""
    truth = resized_map(truth, *found.shape)
    found, truth = found[truth >= 0], truth[truth >= 0]
    ratio = found.clip(min=least) / truth.clip(min=least)
    error, factor = abs(found - truth), np.maximum(ratio, 1 / ratio)
    parts = [np.ones_like(error), error**2, error, error / truth.clip(min=least)]
    parts += [factor < 1.25**power for power in (1, 2, 3)]
    return np.array([part.sum(dtype=np.float64) for part in parts])


def depth_metrics(errors: list[np.ndarray]) -> dict[str, float]:
    """Over all pixels of known depth; rmse and mae in the unit of the range."""
    pixels, *sums = np.sum(errors, 0).tolist()
    if not pixels:
        return {}
    square, *others = (value / pixels for value in sums)
    names = ("mae", "abs_rel", "delta1", "delta2", "delta3")
    return {"rmse": math.sqrt(square)} | dict(zip(names, others))
