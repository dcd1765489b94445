# ==== runtime


def found_anomalies(found: dict) -> dict:
    """Returns anomaly scores 0..1 of each pixel and of the image as a whole."""
    score = float(found["score"])
    label = "anomalous" if score >= 0.5 else "normal"
    return {"label": label, "score": score, "map": found["map"]}
