# ==== runtime


def found_labels(found: dict, names: list[str], min_score: float) -> dict:
    """Returns the labels that are likely enough, and the probability of each."""
    scores = dict(zip(names, found["probabilities"].tolist()))
    likely = [name for name, score in scores.items() if score >= min_score]
    return {"labels": likely, "scores": scores}
