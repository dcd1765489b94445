# ==== words


def to_category_map(
    results: dict, row: int, stride: int, sample: Sample, seen: tuple[int, int]
) -> np.ndarray:
    """Returns the index of each pixel's category, (height, width) of the image: its
    logits are enlarged across, then down in bands of rows that fit the cache of a
    processor."""
    logits = results["logits"][row : row + 1].contiguous()
    _, count, cells, _ = logits.shape
    across = (1, stride), (cells, seen[1]), (cells, sample.width)
    logits = enlarge(logits, *across)[0]
    # Each row of the image is a sum of a few rows of cells, by these weights.
    down = (stride, 1), (seen[0], cells), (sample.height, cells)
    weights = enlarge(torch.eye(cells)[None, None], *down)[0, 0]
    ranks = torch.arange(count - 1.0, -1, -1, device=logits.device)[:, None, None]
    best = []
    for band in weights.split(max(1, BAND // (count * sample.width))):
        used = band.any(0).nonzero()[:, 0]
        used = slice(used[0], used[-1] + 1)
        scores = band[:, used].to(logits.device) @ logits[:, used]
        # As argmax, the first of the best, but several times as fast.
        best.append(scores.eq_(scores.amax(0)).mul_(ranks).amax(0))
    return (count - 1 - torch.cat(best)).short().cpu().numpy()


# ==== metrics


def count_pixels(truth: np.ndarray, found: np.ndarray, categories: int) -> np.ndarray:
    """Counts labeled, found and common pixels of each category: (3, categories).

    The map `truth` may be smaller than the image; what is unlabeled in it is not
    counted.
    """
    truth = resized_map(truth, *found.shape)
    pairs = (truth.astype(int) + 1) * categories + found  # row 0: unlabeled
    counts = np.bincount(pairs.ravel(), minlength=(categories + 1) * categories)
    counts = counts.reshape(-1, categories)[1:]
    return np.stack([counts.sum(1), counts.sum(0), counts.diagonal()])


def segmentation_metrics(
    counts: list[np.ndarray], names: tuple[str, ...]
) -> dict[str, float]:
    """Returns IoU of categories that occur in labels or predictions, and their mean."""
    labeled, found, both = np.sum(counts, 0)
    union = labeled + found - both
    if not union.any():
        return {}
    iou = {name: float(b / u) for name, b, u in zip(names, both, union) if u}
    return {
        "mean_iou": sum(iou.values()) / len(iou),
        "pixel_accuracy": float(both.sum() / labeled.sum()),
    } | {f"iou/{name}": value for name, value in iou.items()}
