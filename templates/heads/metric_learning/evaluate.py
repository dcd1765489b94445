# ==== words


def embedding_in_words(results: dict, row: int) -> dict:
    return {"embedding": results["embedding"][row].tolist()}


# ==== metrics


def retrieval_metrics(truth: list[str], found: list[dict]) -> dict[str, float]:
    """Each image in turn looks for the others of its identity, by cosine.

    Recall at 1 and at 5: the share of images that have one among their 1 or 5 nearest.
    MAP@R: https://arxiv.org/abs/2003.08505, over the R nearest, if there are R others.
    An identity of a single image is only ever found, as a wrong answer.
    """
    identities = np.unique(truth, return_inverse=True)[1]
    embeddings = np.array([words["embedding"] for words in found], np.float32)
    others = np.bincount(identities)[identities] - 1  # R of each image
    if not others.any():
        return {}
    nearest = max(5, others.max())
    hits = []
    for query in others.nonzero()[0].tolist():
        similarity = embeddings @ embeddings[query]
        similarity[query] = -np.inf
        order = np.argsort(-similarity, kind="stable")[:-1][:nearest]
        hits.append(identities[order] == identities[query])
    hits, others = np.array(hits), others[others > 0]
    ranks = np.arange(1, hits.shape[1] + 1)
    precision = hits.cumsum(1) / ranks
    counted = hits & (ranks <= others[:, None])
    return {
        "recall_at_1": float(hits[:, 0].mean()),
        "recall_at_5": float(hits[:, :5].any(1).mean()),
        "map_at_r": float(((precision * counted).sum(1) / others).mean()),
    }
