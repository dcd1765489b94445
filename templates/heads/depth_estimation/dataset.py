# ==== readers_native


def read_depth_maps(folder: Path, nearest: float, farthest: float) -> dict[str, Path]:
    """Loads maps by image; checks that the dataset has the job's range of depth."""
    return maps_of(
        folder, *entry_with_range(folder, "depth estimation", [nearest, farthest])
    )


# ==== parsers


def parse_array(path: Path, height: int, width: int) -> Path:
    """Returns the file of an image's map, an array of NumPy, once its header is
    checked; it is decoded later."""
    try:
        values = np.load(noted(path), mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a broken file raises many kinds of errors
        raise ValueError(f"its map is not an array: {path}: {error}") from None
    if values.dtype.kind not in "fui" or values.size != np.prod(values.shape[:2]):
        raise ValueError(f"its map is {values.dtype} {values.shape}, no depths: {path}")
    rows, columns = values.shape[:2]
    # Both sides are rounded when a map is scaled down.
    if abs(rows * width - columns * height) >= width + height:
        sizes = f"{columns}x{rows}, the image {width}x{height}"
        raise ValueError(f"its map has another aspect ratio: {path} is {sizes}")
    return path
