# ==== made


def save_segments(
    folder: Path, number: int, categories: np.ndarray, colors: list
) -> str:
    """Two pages: categories by color, and the same instance everywhere."""
    pages = [np.array(colors, np.uint8)[categories], np.ones_like(categories, np.uint8)]
    return save_pages(folder, number, pages)


def some_segments(number: int, count: int, height: int, width: int) -> np.ndarray:
    """Indices of categories: most pixels are of one, the others of the next."""
    categories = np.full((height, width), number % count)
    categories[:, : width // 8] = (number + 1) % count
    return categories
