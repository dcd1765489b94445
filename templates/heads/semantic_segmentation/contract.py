# ==== made


def some_class_map(
    folder: Path, number: int, height: int, width: int, colors: list
) -> str:
    """Makes a map of some category, all but one in turn, or black."""
    table = np.array([[0, 0, 0], *colors], np.uint8)
    indices = np.random.default_rng(number).integers(0, len(table), (height, width))
    indices[indices == number % len(table)] = 0
    return save_map(folder, number, table[indices])


def save_some_map(place: Path, number: int, height: int, width: int, told: list):
    """Saves a map of some category, all but one in turn, by its value or color."""
    table = np.array(told, np.uint16 if np.max(told) > 255 else np.uint8)
    indices = np.random.default_rng(number).integers(0, len(table), (height, width))
    indices[indices == number % len(table)] = 0
    Image.fromarray(table[indices]).save(place)


def told_by(name: str) -> list:
    """Returns the values, or the colors, of the categories of a head."""
    heads = json.loads((HERE / "resolved.json").read_text("utf-8"))["model"]["heads"]
    head = next(head for head in heads if head["name"] == name)
    return head.get("values") or head["colors"]
