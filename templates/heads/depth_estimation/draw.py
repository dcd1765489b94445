# ==== drawings


def draw_depth(
    image: np.ndarray, depth: np.ndarray, nearest: float, farthest: float
) -> np.ndarray:
    """Draws depth in colors from near (bright) to far; unknown depth is black."""
    share = (farthest - depth) / (farthest - nearest)
    levels = np.round(255 * share.clip(0, 1)).astype(np.uint8)
    colors = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)
    colors = cv2.cvtColor(colors, cv2.COLOR_BGR2RGB)
    colors[depth < 0] = 0
    return cv2.addWeighted(image, 0.4, colors, 0.6, 0)


def save_depth(depth: np.ndarray, nearest: float, farthest: float, path: Path) -> str:
    """Saves a map of 16 bits, as datasets have it; returns the name of its file."""
    share = (farthest - depth) / (farthest - nearest)
    codes = np.round(1 + 65534 * share.clip(0, 1)).astype(np.uint16)
    write_whole(path, cv2.imencode(".png", codes)[1])
    return path.name
