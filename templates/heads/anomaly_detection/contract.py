# ==== made


def some_inspection(folder: Path, number: int, height: int, width: int) -> str:
    """Returns each label in turn; what is anomalous is so in some of its pixels."""
    if number % 2 == 0:
        return "normal"
    white = np.random.default_rng(number).random((height, width)) < 0.3
    save_map(folder, number, 255 * white.astype(np.uint8))
    return "anomalous"


def save_some_mask(place: Path, number: int, height: int, width: int):
    """Saves a mask that is white in some of its pixels."""
    white = np.random.default_rng(number).random((height, width)) < 0.3
    Image.fromarray(255 * white.astype(np.uint8)).save(place)
