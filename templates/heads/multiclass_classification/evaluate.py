# ==== words


def to_category(results: dict, row: int, names: tuple[str, ...]) -> dict:
    """Returns the likeliest category, and five with their probabilities."""
    scores, order = results["probabilities"][row].topk(min(5, len(names)))
    top = {names[i]: p for i, p in zip(order.tolist(), scores.tolist())}
    category, score = next(iter(top.items()))
    return {"category": category, "score": score, "top5": top}


# ==== metrics


def classification_metrics(
    truth: list[int], found: list[dict], names: tuple[str, ...]
) -> dict[str, float]:
    """Returns accuracies, and means of precision, recall, F1 over what occurs."""
    labels = np.array(truth)
    predicted = np.array([names.index(item["category"]) for item in found])
    label_counts, predicted_counts, hits = (
        np.bincount(categories, minlength=len(names))
        for categories in (labels, predicted, labels[labels == predicted])
    )
    occurring = label_counts > 0
    recall = hits[occurring] / label_counts[occurring]
    precision = hits[occurring] / np.maximum(predicted_counts[occurring], 1)
    f1 = 2 * hits[occurring] / (label_counts + predicted_counts)[occurring]
    in_top5 = [names[category] in item["top5"] for category, item in zip(truth, found)]
    return {
        "balanced_accuracy": float(recall.mean()),
        "accuracy": float((labels == predicted).mean()),
        "precision": float(precision.mean()),
        "recall": float(recall.mean()),
        "f1": float(f1.mean()),
        "top5_accuracy": float(np.mean(in_top5)),
    }


def save_confusion(
    path: Path, truth: list[int], found: list[dict], names: tuple[str, ...]
):
    """Saves the confusion matrix: categories are rows, predictions columns."""
    counts = np.zeros((len(names), len(names)), int)
    predicted = [names.index(item["category"]) for item in found]
    np.add.at(counts, (truth, predicted), 1)
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["", *names])
        rows.writerows([name, *row] for name, row in zip(names, counts.tolist()))


def rank_error(truth: list[int], found: list[dict], names: tuple[str, ...]) -> float:
    """Returns how many ranks a item is off, on average."""
    predicted = np.array([names.index(item["category"]) for item in found])
    return float(np.abs(predicted - np.array(truth)).mean())
