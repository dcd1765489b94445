# ==== words


def to_value(results: dict, row: int) -> dict:
    return {"value": float(results["value"][row])}


# ==== metrics


def regression_metrics(truth: list[float], found: list[dict]) -> dict[str, float]:
    """Returns errors in the unit of the labels; R2 is 0 for the mean of them, 1 at
    best, and of no meaning where they are all the same."""
    labels = np.array(truth)
    errors = np.array([item["value"] for item in found]) - labels
    spread = np.square(labels - labels.mean()).sum()
    metrics = {
        "mae": float(np.abs(errors).mean()),
        "rmse": float(np.sqrt(np.square(errors).mean())),
    }
    if spread > 0:
        metrics["r2"] = float(1 - np.square(errors).sum() / spread)
    return metrics
