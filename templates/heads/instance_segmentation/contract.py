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


def save_some_numbers(place: Path, number: int, height: int, width: int):
    """Saves the numbers of one to three instances."""
    numbers = np.zeros((height, width), np.uint8)
    for i in range(1 + number % 3):
        numbers[12 * i : 12 * i + 10, 4:30] = i + 1
    Image.fromarray(numbers).save(place)
