# ==== words


def to_quadrilaterals(
    results: dict, row: int, names: tuple[str, ...], ratio: Tensor
) -> list[dict]:
    """Returns quadrilaterals. Corners of one that the image cuts off lie outside."""
    count = int(results["count"][row])
    corners = (results["quadrilaterals"][row, :count] * ratio[:2]).tolist()
    classes = results["classes"][row, :count].tolist()
    scores = results["scores"][row, :count].tolist()
    return [
        {"category": names[category], "quadrilateral": points, "score": score}
        for category, points, score in zip(classes, corners, scores)
    ]


# ==== metrics


class QuadrilateralEvidence(NamedTuple):
    """Matches of the predictions for one image."""

    matches: dict[int, Matches]  # matches of each category
    errors: np.ndarray  # (G,) mean distance of corners, in sizes of the quadrilateral


def quadrilateral_evidence(
    truth: Quadrilaterals, found: list[dict], names: tuple[str, ...]
) -> QuadrilateralEvidence:
    corners = np.array([item["quadrilateral"] for item in found]).reshape(-1, 4, 2)
    classes = np.array([names.index(item["category"]) for item in found], int)
    scores = np.array([item["score"] for item in found])
    same = classes[:, None] == truth.classes
    overlap = np.zeros(same.shape)
    for i, j in np.argwhere(same):
        overlap[i, j] = polygon_iou(corners[i], truth.corners[j])
    matches = {}
    for category in np.union1d(classes, truth.classes).tolist():
        rows, columns = classes == category, truth.classes == category
        matches[category] = match(scores[rows], overlap[rows][:, columns])
    errors = corner_errors(corners, scores, overlap, truth.corners)
    return QuadrilateralEvidence(matches, errors)


def corner_errors(
    corners: np.ndarray, scores: np.ndarray, overlap: np.ndarray, truth: np.ndarray
) -> np.ndarray:
    """Returns mean distance (G,) of corners to those of the prediction that found them,
    with a polygon IoU (D, G) of 0.5 or more; 1 where none did."""
    sizes = np.ptp(truth, 1).max(1)  # the longer side of the enclosing box
    errors, free = np.ones(len(truth)), overlap.copy()
    for number in np.argsort(-scores, kind="stable"):
        if free.size and free[number].max() >= 0.5:
            one = free[number].argmax()
            distances = np.linalg.norm(corners[number] - truth[one], axis=1)
            errors[one] = distances.mean() / sizes[one]
            free[:, one] = -1
    return errors


def quadrilateral_metrics(found: list[QuadrilateralEvidence]) -> dict[str, float]:
    """Returns average precision over polygon IoU 0.5..0.95, the mean over categories
    that occur, and how far corners are off, as a share of the size of their object.
    None where no object is labeled."""
    errors = np.concatenate([evidence.errors for evidence in found])
    if not len(errors):
        return {}
    by_category = {}
    for evidence in found:
        for category, matches in evidence.matches.items():
            by_category.setdefault(category, []).append(matches)
    precision = [
        average_precision(matches)
        for matches in by_category.values()
        if sum(one.objects for one in matches)
    ]
    precision = np.mean(precision, 0)
    metrics = {"ap": precision.mean(), "ap50": precision[0], "ap75": precision[5]}
    metrics["corner_error"] = errors.mean()
    return {name: float(value) for name, value in metrics.items()}


def polygon_iou(a: np.ndarray, b: np.ndarray) -> float:
    """Returns intersection over union of quadrilaterals (4, 2), 0 where the sides of
    one cross.

    Exact, for concave ones too: each is two triangles, and triangles are convex.
    """
    if (a.max(0) < b.min(0)).any() or (b.max(0) < a.min(0)).any():
        return 0.0
    # Near the origin: OpenCV counts in float32. Its sums may still exceed an area.
    parts = triangles(a - a[0]), triangles(b - a[0])
    areas = [sum(abs(signed_area(part)) for part in pair) for pair in parts]
    overlap = cv2.intersectConvexConvex
    shared = min(sum(overlap(x, y)[0] for x in parts[0] for y in parts[1]), *areas)
    return shared / (sum(areas) - shared) if shared > 0 else 0.0
