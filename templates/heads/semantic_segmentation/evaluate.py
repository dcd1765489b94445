# ==== words


def categories_in_words(
    results: dict, row: int, stride: int, sample: Sample, seen: tuple[int, int]
) -> np.ndarray:
    """The index of each pixel's category, (height, width) of the image: its logits are
    enlarged downwards, then across in bands of rows, as all may fill the memory."""
    logits = results["logits"][row : row + 1]
    logits = logits.contiguous(memory_format=torch.channels_last)  # as argmax reads it
    _, count, _, cells = logits.shape
    logits = enlarge(logits, (stride, 1), (seen[0], cells), (sample.height, cells))
    best = []
    for band in logits.split(max(1, BAND // (count * sample.width)), 2):
        rows = band.shape[2]
        band = enlarge(band, (1, stride), (rows, seen[1]), (rows, sample.width))
        best.append(band[0].argmax(0).short())
    return torch.cat(best).cpu().numpy()


# ==== metrics


def count_pixels(truth: np.ndarray, found: np.ndarray, categories: int) -> np.ndarray:
    """Pixels of each category that are labelled, found, and both: (3, categories).

    The map `truth` may be smaller than the image; what is unlabelled in it is not
    counted.
    """
    truth = resized_map(truth, *found.shape)
    pairs = (truth.astype(int) + 1) * categories + found  # row 0: unlabelled
    counts = np.bincount(pairs.ravel(), minlength=(categories + 1) * categories)
    counts = counts.reshape(-1, categories)[1:]
    return np.stack([counts.sum(1), counts.sum(0), counts.diagonal()])


def segmentation_metrics(
    counts: list[np.ndarray], names: tuple[str, ...]
) -> dict[str, float]:
    """IoU of the categories that occur in labels or predictions, and their mean."""
    labelled, found, both = np.sum(counts, 0)
    union = labelled + found - both
    if not union.any():
        return {}
    iou = {name: float(b / u) for name, b, u in zip(names, both, union) if u}
    return {
        "mean_iou": sum(iou.values()) / len(iou),
        "pixel_accuracy": float(both.sum() / labelled.sum()),
    } | {f"iou/{name}": value for name, value in iou.items()}
