# ==== runtime


def found_tokens(found: dict, names: list[str]) -> dict:
    """Returns the tokens before the end, and the probability of the text."""
    tokens = [names[i] for i in found["tokens"] if i < len(names)]
    return {"text": tokens, "score": float(found["score"])}


def found_text(found: dict, names: list[str]) -> dict:
    """Returns the text before the end, and its probability."""
    tokens = [names[i] for i in found["tokens"] if i < len(names)]
    return {"text": "".join(tokens), "score": float(found["score"])}
