# ==== made


def some_class_map(
    folder: Path, number: int, height: int, width: int, colors: list
) -> str:
    """Makes a map of some category, all but one in turn, or black."""
    table = np.array([[0, 0, 0], *colors], np.uint8)
    indices = np.random.default_rng(number).integers(0, len(table), (height, width))
    indices[indices == number % len(table)] = 0
    return save_map(folder, number, table[indices])
