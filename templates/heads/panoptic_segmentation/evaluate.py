# ==== words


def to_panoptic(
    results: dict,
    row: int,
    stride: int,
    ratio: Tensor,
    limits: Tensor,
    kinds: tuple[Sequence[int], Sequence[int]],
) -> dict:
    """Returns the category and the instance of each pixel, (height, width) each, as
    `merge_segments` of model.py numbers them, and the "scores" of the instances."""
    found = {name: values[row] for name, values in results.items()}
    ratio, limits = (x.to(found["boxes"].device) for x in (ratio, limits))
    found["boxes"] = (found["boxes"] * ratio).clamp(min=0).minimum(limits)
    width, height = limits[:2].tolist()
    maps = merge_segments(found, (height, width), stride * ratio[:2], *kinds)
    return {
        "categories": maps[0].short().cpu().numpy(),
        "instances": maps[1].int().cpu().numpy(),
        "scores": found["scores"][: int(found["count"])].tolist(),
    }


# ==== metrics


def count_segments(truth: dict, found: dict, categories: int) -> np.ndarray:
    """Returns by category the sum of the matches' IoU, the matches, the segments found
    in vain, and those missed: (4, categories). Segments match at an IoU above 0.5.

    What is unknown in the truth counts neither for nor against what is found there:
    https://arxiv.org/abs/1801.00868.
    """
    sides, kinds = [], []
    for maps in (truth, found):
        codes = maps["instances"].astype(np.int64) * (categories + 1)
        codes, index = np.unique(codes + maps["categories"] + 1, return_inverse=True)
        sides.append(index.flatten())
        kinds.append(codes % (categories + 1) - 1)
    shape = len(kinds[0]), len(kinds[1])
    pairs = np.bincount(sides[0] * shape[1] + sides[1], minlength=shape[0] * shape[1])
    pairs = pairs.reshape(shape)
    real = [kind >= 0 for kind in kinds]
    unknown, areas = pairs[~real[0]].sum(0), (pairs.sum(1), pairs.sum(0))
    union = areas[0][:, None] + areas[1] - pairs - unknown
    iou = pairs / union.clip(min=1) * (kinds[0][:, None] == kinds[1])
    matches = (iou > 0.5) & real[0][:, None] & real[1]
    missed = real[0] & ~matches.any(1)
    in_vain = real[1] & ~matches.any(0) & (2 * unknown <= areas[1])
    rows = kinds[0][matches.any(1)], kinds[0][missed], kinds[1][in_vain]
    right, missing, wrong = (np.bincount(x, minlength=categories) for x in rows)
    overlaps = np.bincount(
        kinds[0][matches.any(1)], iou.max(1)[matches.any(1)], minlength=categories
    )
    return np.stack([overlaps, right, wrong, missing])


def panoptic_metrics(
    counts: list[np.ndarray], things: Sequence[int]
) -> dict[str, float]:
    """Returns panoptic quality, of segmentation and of recognition, over the categories
    that occur in labels or predictions; none where none of them do."""
    overlaps, right, wrong, missing = np.sum(counts, 0)
    are_things = np.isin(np.arange(len(right)), things)
    occurs = right + wrong + missing > 0
    segmentation = overlaps / right.clip(min=1)
    recognition = right / (right + (wrong + missing) / 2).clip(min=0.5)
    quality = segmentation * recognition
    means = {
        "pq": quality[occurs],
        "sq": segmentation[occurs],
        "rq": recognition[occurs],
        "pq_things": quality[occurs & are_things],
        "pq_stuff": quality[occurs & ~are_things],
    }
    return {name: float(values.mean()) for name, values in means.items() if len(values)}
