# ==== made


def colors_of(name: str) -> list:
    """Returns the colors of the categories of a head."""
    heads = json.loads((HERE / "resolved.json").read_text("utf-8"))["model"]["heads"]
    return next(head["colors"] for head in heads if head["name"] == name)


def save_map(folder: Path, number: int, pixels: np.ndarray) -> str:
    """Saves the map of the image of this number; returns the name of its file."""
    folder.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(folder / f"{number}.png")
    return f"{number}.png"


def save_pages(folder: Path, number: int, pages: list[np.ndarray]) -> str:
    """Saves the annotation of the image of this number; returns its file's name."""
    folder.mkdir(exist_ok=True)
    first, *others = map(Image.fromarray, pages)
    first.save(folder / f"{number}.tif", save_all=True, append_images=others)
    return f"{number}.tif"


def some_colors(names: tuple[str, ...]) -> list:
    """Returns one for each, none of them black."""
    return [[number % 256, number // 256, 1] for number in range(len(names))]
