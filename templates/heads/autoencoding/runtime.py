# ==== runtime


def found_picture(found: dict) -> np.ndarray:
    """Returns the reconstruction (height, width, channels), uint8."""
    picture = (255 * found["reconstruction"]).round()
    return picture.astype(np.uint8).transpose(1, 2, 0)
