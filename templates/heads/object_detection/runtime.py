# ==== runtime


def found_objects(found: dict, names: list[str]) -> list[dict]:
    classes, boxes, scores = found["classes"], found["boxes"].tolist(), found["scores"]
    return [
        {"category": names[classes[i]], "bbox": boxes[i], "score": float(scores[i])}
        for i in range(found["count"])
    ]
