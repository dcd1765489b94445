# ==== drawings


def draw_view(image: np.ndarray, words: dict) -> np.ndarray:
    return draw_bars(image, words["representation"]) if words else image


def draw_labeled_view(image: np.ndarray, words: dict) -> np.ndarray:
    if "category" in words:
        return add_line(image, words["category"], (255, 255, 255))
    return draw_bars(image, words["representation"])
