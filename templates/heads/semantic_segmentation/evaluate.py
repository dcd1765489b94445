# ==== words


def categories_in_words(
    results: dict, row: int, stride: int, sample: Sample, seen: tuple[int, int]
) -> np.ndarray:
    """The index of each pixel's category, (height, width) of the image."""
    logits = results["logits"][row : row + 1]
    logits = enlarge(logits, stride, seen, (sample.height, sample.width))
    return logits[0].argmax(0).short().numpy()


# ==== metrics


def count_pixels(truth: np.ndarray, found: np.ndarray, categories: int) -> np.ndarray:
    """Pixels of each category that are labelled, found, and both: (3, categories).

    The map `truth` may be smaller than the image; what is unlabelled in it is not
    counted.
    """
    truth = resized_map(truth, *found.shape)
    found, truth = found[truth >= 0], truth[truth >= 0]
    groups = (truth, found, truth[truth == found])
    return np.stack([np.bincount(group, minlength=categories) for group in groups])


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
