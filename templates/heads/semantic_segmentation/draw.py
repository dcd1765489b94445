# ==== drawings


def draw_categories(
    image: np.ndarray, categories: np.ndarray, colors: tuple
) -> np.ndarray:
    """Colors each labeled pixel halfway in the color of its category."""
    table = np.array([*colors, (0, 0, 0)], np.uint8)  # the last is that of index -1
    mixed = cv2.addWeighted(image, 0.5, table[categories], 0.5, 0)
    return np.where(categories[:, :, None] < 0, image, mixed)


def save_values(categories: np.ndarray, values: tuple, path: Path) -> str:
    """Saves a map of gray values, as datasets have it; returns the name of its file."""
    kind = np.uint8 if max(values) < 256 else np.uint16
    pixels = np.array(values, kind)[categories]
    write_whole(path, cv2.imencode(".png", pixels)[1])
    return path.name


def save_categories(categories: np.ndarray, colors: tuple, path: Path) -> str:
    """Saves a map as datasets have it; returns the name of its file."""
    save_image(path, np.array(colors, np.uint8)[categories])
    return path.name
