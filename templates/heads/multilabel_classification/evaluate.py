# ==== words


def to_labels(
    results: dict, row: int, names: tuple[str, ...], min_score: float
) -> dict:
    """Returns the labels that are likely enough, and the probability of each."""
    scores = dict(zip(names, results["probabilities"][row].tolist()))
    likely = [name for name, score in scores.items() if score >= min_score]
    return {"labels": likely, "scores": scores}


# ==== metrics


def multilabel_metrics(
    truth: list[np.ndarray], found: list[dict], names: tuple[str, ...]
) -> dict[str, float]:
    """Returns average precision of each label that occurs and its mean; F1 over labels
    that occur or are given (macro), and over all decisions at once (micro). None where
    no image has a label."""
    labels = np.stack(truth) > 0  # (images, labels)
    scores = np.array([[item["scores"][name] for name in names] for item in found])
    predicted = np.array([[name in item["labels"] for name in names] for item in found])
    precisions = {
        name: ranking_precision(labels[:, i], scores[:, i])
        for i, name in enumerate(names)
        if labels[:, i].any()
    }
    if not precisions:
        return {}
    right, both = (labels & predicted).sum(0), labels.sum(0) + predicted.sum(0)
    f1 = 2 * right[both > 0] / both[both > 0]
    return {
        "mean_average_precision": float(np.mean([*precisions.values()])),
        "macro_f1": float(f1.mean()),
        "micro_f1": float(2 * right.sum() / both.sum()),
        **{f"average_precision/{name}": value for name, value in precisions.items()},
    }


def ranking_precision(labels: np.ndarray, scores: np.ndarray) -> float:
    """Returns area under precision over recall, a step for each distinct score: no
    choice between images of the same score can change it."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)  # equal scores end here
    hits = labels[order].cumsum()[last]
    precision = hits / (np.flatnonzero(last) + 1)
    return float(np.sum(np.diff(hits, prepend=0) * precision) / hits[-1])
