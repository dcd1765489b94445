# ==== drawings


def draw_category(image: np.ndarray, item: dict, names: tuple[str, ...]) -> np.ndarray:
    score = f" {item['score']:.2f}" if "score" in item else ""
    color = color_of(names.index(item["category"]))
    return add_line(image, item["category"] + score, color)
