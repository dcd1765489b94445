# ==== words


def category_in_words(results: dict, row: int, names: tuple[str, ...]) -> dict:
    """Returns the likeliest category, and five with their probabilities."""
    scores, order = results["probabilities"][row].topk(min(5, len(names)))
    top = {names[i]: p for i, p in zip(order.tolist(), scores.tolist())}
    category, score = next(iter(top.items()))
    return {"category": category, "score": score, "top5": top}


# ==== metrics


def classification_metrics(
    truth: list[int], found: list[dict], names: tuple[str, ...]
) -> dict[str, float]:
    """Accuracies; precision, recall and F1 as means over the categories that occur."""
    wanted = np.array(truth)
    given = np.array([names.index(words["category"]) for words in found])
    actual, guessed, right = (
        np.bincount(categories, minlength=len(names))
        for categories in (wanted, given, wanted[wanted == given])
    )
    occurring = actual > 0
    recall = right[occurring] / actual[occurring]
    precision = right[occurring] / np.maximum(guessed[occurring], 1)
    f1 = 2 * right[occurring] / (actual + guessed)[occurring]
    in_top5 = [
        names[category] in words["top5"] for category, words in zip(truth, found)
    ]
    return {
        "balanced_accuracy": float(recall.mean()),
        "accuracy": float((wanted == given).mean()),
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
    given = [names.index(words["category"]) for words in found]
    np.add.at(counts, (truth, given), 1)
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["", *names])
        rows.writerows([name, *row] for name, row in zip(names, counts.tolist()))


def rank_error(truth: list[int], found: list[dict], names: tuple[str, ...]) -> float:
    """Returns how many ranks a prediction is off, on average."""
    given = np.array([names.index(words["category"]) for words in found])
    return float(np.abs(given - np.array(truth)).mean())
