# ==== placing


def in_8_bits(image: np.ndarray, path: Path) -> np.ndarray:
    """The pixels of an image; of 16 bits, so that WHITE becomes 255."""
    if image.dtype == np.uint8:
        return image
    if image.dtype != np.uint16:
        raise ImageError(f"{path}: values of {image.dtype}, not of 8 or 16 bits")
    if image.max() > WHITE:
        raise ImageError(f"{path}: a value of {image.max()}, by `bits` {WHITE} at most")
    return cv2.convertScaleAbs(image, alpha=255 / WHITE)
