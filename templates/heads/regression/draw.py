# ==== drawings


def draw_value(image: np.ndarray, item: dict) -> np.ndarray:
    value = item["value"]
    text = f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.4g}"
    return add_line(image, text, (255, 255, 255))
