# ==== words


def value_in_words(results: dict, row: int) -> dict:
    return {"value": float(results["value"][row])}


# ==== metrics


def regression_metrics(truth: list[float], found: list[dict]) -> dict[str, float]:
    """Returns errors in the unit of the labels; R2 is 0 for the mean of them, 1 at
    best, and of no meaning where they are all the same."""
    wanted = np.array(truth)
    errors = np.array([words["value"] for words in found]) - wanted
    spread = np.square(wanted - wanted.mean()).sum()
    metrics = {
        "mae": float(np.abs(errors).mean()),
        "rmse": float(np.sqrt(np.square(errors).mean())),
    }
    if spread > 0:
        metrics["r2"] = float(1 - np.square(errors).sum() / spread)
    return metrics
