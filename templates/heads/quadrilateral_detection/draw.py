# ==== drawings


def draw_quadrilaterals(
    image: np.ndarray, objects: list[dict], names: tuple[str, ...]
) -> np.ndarray:
    """Outlines with captions, and a dot at the first corner."""
    thickness = max(1, round(max(image.shape) / 320))
    for item in reversed(objects):  # drawn last, the best ones lie on top
        if item.get("score", 1.0) >= DRAWN_SCORE:
            corners = np.rint(item["quadrilateral"]).astype(np.int32)
            color = color_of(names.index(item["category"]))
            cv2.polylines(image, [corners], True, color, thickness, cv2.LINE_AA)
            score = f" {item['score']:.2f}" if "score" in item else ""
            corner = tuple(corners.min(0).tolist())
            write(image, item["category"] + score, corner, color)
            first = tuple(corners[0].tolist())
            cv2.circle(image, first, 3 * thickness, color, cv2.FILLED, cv2.LINE_AA)
    return image


# ==== label_words


def quadrilaterals_of(truth: Quadrilaterals, names: tuple[str, ...]) -> list[dict]:
    pairs = zip(truth.classes.tolist(), truth.corners.tolist())
    return [
        {"category": names[category], "quadrilateral": corners}
        for category, corners in pairs
    ]
