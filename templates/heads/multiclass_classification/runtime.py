# ==== runtime


def found_category(found: dict, names: list[str]) -> dict:
    """Returns the likeliest category, and five with their probabilities."""
    order = (-found["probabilities"]).argsort(kind="stable")[:5]
    top = {names[i]: float(found["probabilities"][i]) for i in order}
    category, score = next(iter(top.items()))
    return {"category": category, "score": score, "top5": top}
