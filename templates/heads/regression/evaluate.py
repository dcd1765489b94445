# ==== words


def value_in_words(results: dict, row: int) -> dict:
    return {"value": float(results["value"][row])}


# ==== metrics


def regression_metrics(truth: list[float], found: list[dict]) -> dict[str, float]:
    """Errors in the unit of the labels; R2 is 0 for the mean of them, 1 at best."""
    wanted = np.array(truth)
    errors = np.array([words["value"] for words in found]) - wanted
    spread = np.square(wanted - wanted.mean()).sum()
    explained = 1 - np.square(errors).sum() / spread if spread > 0 else 0.0
    return {
        "mae": float(np.abs(errors).mean()),
        "rmse": float(np.sqrt(np.square(errors).mean())),
        "r2": float(explained),
    }
