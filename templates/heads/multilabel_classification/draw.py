# ==== drawings


def draw_labels(image: np.ndarray, item: dict) -> np.ndarray:
    return add_line(image, ", ".join(item["labels"]) or "-", (255, 255, 255))


# ==== label_words


def present_labels(present: np.ndarray, names: tuple[str, ...]) -> dict:
    return {"labels": [name for name, there in zip(names, present) if there]}
