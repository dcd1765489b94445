# ==== made


def save_masks(
    folder: Path,
    number: int,
    objects: list[dict],
    colors: dict[str, list],
    height: int,
    width: int,
) -> str:
    """The masks of the image of this number, a page each; returns the file's name."""
    pages = []
    for item in objects:
        left, top, right, bottom = item["bbox"]
        pages.append(np.zeros((height, width, 3), np.uint8))
        pages[-1][top:bottom, left:right] = colors[item["category"]]
    return save_pages(folder, number, pages or [np.zeros((height, width, 3), np.uint8)])
