# ==== runtime


def found_quadrilaterals(found: dict, names: list[str]) -> list[dict]:
    classes, corners = found["classes"], found["quadrilaterals"].tolist()
    return [
        {
            "category": names[classes[i]],
            "quadrilateral": corners[i],
            "score": float(found["scores"][i]),
        }
        for i in range(found["count"])
    ]
