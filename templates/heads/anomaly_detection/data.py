# ==== placing


def draw_defect(canvas: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draws a defect into most canvases, in place; returns where: (HEIGHT, WIDTH)."""
    if rng.random() < CLEAN_SHARE:
        return np.zeros((HEIGHT, WIDTH), bool)
    noise = blotches(rng)
    largest = np.quantile(noise, 1 - rng.uniform(*DEFECT_SIZES))
    defect = (noise > largest) & (blotches(rng) > 0.3)  # ragged, or in parts
    # Filled from another part of the image, or with its own, lighter or darker.
    if rng.random() < 0.4:
        shift = rng.integers((HEIGHT, WIDTH))
        filling = np.float32(np.roll(canvas, shift, (0, 1)))
    else:
        filling = canvas + np.float32(55 * rng.standard_normal())
    mixed = canvas + rng.uniform(0.3, 1) * (filling - canvas)
    canvas[defect] = mixed[defect].round().clip(0, 255)
    return defect


def blotches(rng: np.random.Generator) -> np.ndarray:
    """Draws smooth noise (HEIGHT, WIDTH) of random size in x and y."""
    cells = 2 ** rng.integers(1, 6, 2)
    noise = rng.standard_normal(cells + 2, np.float32)
    height, width = ((cells + 2) * (HEIGHT, WIDTH) // cells).tolist()
    noise = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    # The middle is cut out: resized noise is flat at its border, so that the largest
    # values, which become defects, would lie there far more often than elsewhere.
    top, left = np.int64(rng.uniform(0.5, 1.5, 2) * (HEIGHT, WIDTH) / cells)
    return noise[top : top + HEIGHT, left : left + WIDTH]


def read_mask(inspection: Inspection, height: int, width: int) -> np.ndarray | None:
    """Returns the anomalous pixels (height, width); None where they are unknown."""
    if not inspection.anomalous:
        return np.zeros((height, width), bool)
    if inspection.mask is None:
        return None
    gray = read_map(inspection.mask, cv2.IMREAD_GRAYSCALE)
    return resized_map(gray, height, width) > 127


# ==== stacking


def stack_defects(batch: list[np.ndarray]) -> dict[str, Tensor]:
    """Returns the pixels of drawn defects (B, H, W)."""
    return {"defects": torch.from_numpy(np.stack(batch))}
