# ==== runtime


def found_instances(
    found: dict, names: list[str], height: int, width: int
) -> list[dict]:
    """Returns instances; "mask" is bool, (height, width)."""
    instances = []
    for i in range(found["count"]):
        mask = np.zeros((height, width), bool)
        place, inside = mask_inside(
            found["boxes"][i], found["masks"][i], found["stride"]
        )
        mask[place] = inside
        instances.append(
            {
                "category": names[found["classes"][i]],
                "bbox": found["boxes"][i].tolist(),
                "mask": mask,
                "score": float(found["scores"][i]),
            }
        )
    return instances


def mask_inside(box: np.ndarray, logits: np.ndarray, stride: np.ndarray) -> tuple:
    """Returns the rows and columns of an image that a box covers, and which of these
    pixels a mask has. `stride`: pixels, x and y, between its `logits` (h, w)."""
    left, top, right, bottom = (math.ceil(float(side) - 0.5) for side in box)
    y = (np.arange(top, bottom, dtype=np.float32) + 0.5) / stride[1]
    x = (np.arange(left, right, dtype=np.float32) + 0.5) / stride[0]
    place = slice(top, bottom), slice(left, right)
    return place, interpolated(logits, y, x) > 0


def interpolated(maps: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Returns maps (..., h, w) read at rows `y` and columns `x`, between their cells
    linearly: (..., Y, X). Cell i reaches from i to i + 1."""
    for axis, at in ((-1, x), (-2, y[:, None])):
        last = maps.shape[axis] - 1
        at = (at - 0.5).clip(0, last).astype(np.float32)
        below = at.astype(int)
        low = maps.take(below.ravel(), axis)
        high = maps.take((below.ravel() + 1).clip(max=last), axis)
        maps = low + (high - low) * (at - below)
    return maps
