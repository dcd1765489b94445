# ==== made


def some_depth_map(folder: Path, number: int, height: int, width: int) -> str:
    """Some depth in each pixel."""
    rng = np.random.default_rng(number)
    codes = rng.integers(0, 65536, (height, width)).astype(np.uint16)
    return save_map(folder, number, codes)
