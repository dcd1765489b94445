# ==== metrics


def text_metrics(truth: list, found: list) -> dict[str, float]:
    """Returns the share of texts that are right, and edits (wrong, missing, needless
    tokens) as a share of the tokens, which may exceed 1."""
    edits = sum(edit_distance(*pair) for pair in zip(truth, found))
    right = sum(label == text for label, text in zip(truth, found))
    metrics = {"exact_match": right / len(truth)}
    if tokens := sum(map(len, truth)):
        metrics["character_error_rate"] = edits / tokens
    return metrics


def edit_distance(one: str | list, other: str | list) -> int:
    """Returns the Levenshtein distance of two sequences of tokens."""
    distances = list(range(len(other) + 1))  # from nothing to each start of the other
    for i, token in enumerate(one, 1):
        before, distances[0] = distances[0], i
        for j, other_token in enumerate(other, 1):
            change = before + (token != other_token)
            before = distances[j]
            distances[j] = min(change, before + 1, distances[j - 1] + 1)
    return distances[-1]
