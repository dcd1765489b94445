# ==== drawings


def draw_category(image: np.ndarray, item: dict, names: tuple[str, ...]) -> np.ndarray:
    return add_line(image, caption(item), color_of(names.index(item["category"])))
