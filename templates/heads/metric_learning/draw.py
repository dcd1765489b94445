# ==== drawings


def draw_identity(image: np.ndarray, item: dict) -> np.ndarray:
    if "identity" in item:
        return add_line(image, item["identity"], (255, 255, 255))
    return draw_bars(image, item["embedding"])


# ==== drawing_tools


def draw_bars(image: np.ndarray, vector: list[float]) -> np.ndarray:
    """Draws a vector as a bar code below the image: similar vectors look alike."""
    code = np.float32(vector)
    shades = (127.5 + 127.5 * code / np.abs(code).max().clip(1e-12)).astype(np.uint8)
    size = (image.shape[1], max(1, image.shape[0] // 10))
    bars = cv2.resize(shades[None], size, interpolation=cv2.INTER_AREA)
    return np.vstack([image, cv2.cvtColor(bars, cv2.COLOR_GRAY2RGB)])
