# ==== words


def to_embedding(results: dict, row: int) -> dict:
    return {"embedding": results["embedding"][row].tolist()}


# ==== metrics


def retrieval_metrics(
    truth: list[str], found: list[dict], device: torch.device
) -> dict[str, float]:
    """Measures how well images find the others of their identity, by cosine.

    Recall at 1 and at 5: the share of images that have one among their 1 or 5 nearest.
    MAP@R: https://arxiv.org/abs/2003.08505, over the R nearest, if there are R others.
    An identity of a single image is only ever found, as a wrong answer.
    """
    identities = np.unique(truth, return_inverse=True)[1]
    embeddings = np.array([item["embedding"] for item in found], np.float32)
    others = np.bincount(identities)[identities] - 1  # R of each image
    if not others.any():
        return {}
    blocks = nearest_others(embeddings, max(5, others.max()), device)
    hits = [identities[near] == identities[rows, None] for rows, _, near in blocks]
    hits, others = np.concatenate(hits)[others > 0], others[others > 0]
    ranks = np.arange(1, hits.shape[1] + 1)
    precision = hits.cumsum(1) / ranks
    counted = hits & (ranks <= others[:, None])
    return {
        "recall_at_1": float(hits[:, 0].mean()),
        "recall_at_5": float(hits[:, :5].any(1).mean()),
        "map_at_r": float(((precision * counted).sum(1) / others).mean()),
    }


def nearest_others(
    vectors: np.ndarray, count: int, device: torch.device
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yields, for blocks of rows of unit length, their indices (B,), and the cosines
    and indices of the `count` other rows nearest to each, (B, count): the nearest
    first, and of equals the one that comes first."""
    vectors = torch.from_numpy(vectors).to(device)
    count = min(count, len(vectors) - 1)
    indices = torch.arange(len(vectors), device=device)
    for rows in indices.split(1024):
        cosines = vectors[rows] @ vectors.T
        cosines[rows - rows[0], rows] = -torch.inf
        best, near = cosines.topk(count + 1)
        equal = (best[:, 1:] == best[:, :-1]).any(1)
        later = 1e-9 * indices.double() / len(indices)  # cosines differ by more
        near[equal] = (cosines[equal].double() - later).topk(count + 1).indices
        block = rows, best[:, :count], near[:, :count]
        yield tuple(values.cpu().numpy() for values in block)
