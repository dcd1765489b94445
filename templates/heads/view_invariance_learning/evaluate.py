# ==== words


def to_representation(results: dict, row: int) -> dict:
    return {"representation": results["representation"][row].tolist()}


# ==== metrics


def view_metrics(found: list[dict]) -> dict[str, float]:
    """Returns alignment and uniformity, https://arxiv.org/abs/2005.10242, of
    directions: the squared distance from an image to a view of it, and the logarithm of
    how near images are to each other on average. Both are better the lower they are."""
    images, views = (
        unit([item[key] for item in found]) for key in ("representation", "view")
    )
    near = 0.0  # a pair's part: 1 for two that are the same, nearly 0 for opposite ones
    for first in range(0, len(images), 1000):
        cosines = images[first : first + 1000] @ images.T
        near += np.exp(4 * cosines - 4).sum(dtype=np.float64)
    metrics = {"alignment": float(((images - views) ** 2).sum(1).mean())}
    if pairs := len(images) * (len(images) - 1):
        near = (near - len(images)) / pairs  # an image is no pair with itself
        metrics["uniformity"] = math.log(max(near, math.exp(-8)))
    return metrics


def unit(vectors: list[list[float]]) -> np.ndarray:
    vectors = np.array(vectors, np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-12)


def knn_accuracy(truth: list[int], found: list[dict], device: torch.device) -> float:
    """Returns the share of images whose category the 20 nearest others vote for,
    weighted by similarity: https://arxiv.org/abs/1805.01978."""
    images = unit([item["representation"] for item in found])
    categories, right = np.array(truth), 0
    for rows, cosines, near in nearest_others(images, count=20, device=device):
        votes = np.exp(cosines / 0.07)
        for row, chosen, weights in zip(rows, categories[near], votes):
            winner = np.bincount(chosen, weights).argmax() if len(chosen) else -1
            right += int(winner == categories[row])
    return right / len(images)
