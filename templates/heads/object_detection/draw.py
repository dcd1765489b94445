# ==== drawings


def draw_objects(image: np.ndarray, objects: list[dict], names: tuple) -> np.ndarray:
    thickness = max(1, round(max(image.shape) / 320))
    for item in reversed(objects):  # drawn last, the best ones lie on top
        if item.get("score", 1.0) >= DRAWN_SCORE:
            left, top, right, bottom = (round(side) for side in item["bbox"])
            color = color_of(names.index(item["category"]))
            cv2.rectangle(image, (left, top), (right, bottom), color, thickness)
            score = f" {item['score']:.2f}" if "score" in item else ""
            write(image, item["category"] + score, (left, top), color)
    return image


# ==== label_words


def objects_of(objects: Objects, names: tuple[str, ...]) -> list[dict]:
    pairs = zip(objects.classes.tolist(), objects.boxes.tolist())
    return [{"category": names[category], "bbox": box} for category, box in pairs]
