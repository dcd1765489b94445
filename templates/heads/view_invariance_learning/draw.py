# ==== drawings


def draw_view(image: np.ndarray, item: dict) -> np.ndarray:
    return draw_bars(image, item["representation"]) if item else image


def draw_labeled_view(image: np.ndarray, item: dict) -> np.ndarray:
    if "category" in item:
        return add_line(image, item["category"], (255, 255, 255))
    return draw_bars(image, item["representation"])
