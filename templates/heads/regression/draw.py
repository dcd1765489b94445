# ==== drawings


def draw_value(image: np.ndarray, item: dict) -> np.ndarray:
    return add_line(image, f"{item['value']:.4g}", (255, 255, 255))
