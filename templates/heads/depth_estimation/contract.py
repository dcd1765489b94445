# ==== made


def some_depth_map(folder: Path, number: int, height: int, width: int) -> str:
    """Some depth in each pixel."""
    rng = np.random.default_rng(number)
    codes = rng.integers(0, 65536, (height, width)).astype(np.uint16)
    return save_map(folder, number, codes)


def save_some_depth(place: Path, number: int, height: int, width: int):
    """Saves some depth in each pixel, as an array or in 16 bits."""
    values = np.random.default_rng(number).integers(0, 65536, (height, width))
    if place.suffix == ".npy":
        np.save(place, values.astype(np.float32))
    else:
        Image.fromarray(values.astype(np.uint16)).save(place)
