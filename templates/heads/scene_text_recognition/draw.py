# ==== drawings


def draw_text(image: np.ndarray, text: str, item: dict) -> np.ndarray:
    score = f" {item['score']:.2f}" if "score" in item else ""
    return add_line(image, text + score, (255, 255, 255))
