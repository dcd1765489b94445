# ==== labels


class Quadrilaterals(NamedTuple):
    """The objects of one image."""

    corners: np.ndarray  # (G, 4, 2) x, y in pixels; outside where the image cuts it off
    boxes: np.ndarray  # (G, 4) left, top, right, bottom of what is inside
    classes: np.ndarray  # (G,) indices into the categories


def hulls(corners: np.ndarray) -> np.ndarray:
    """Returns boxes (G, 4) around corners (G, 4, 2)."""
    return np.concatenate([corners.min(1), corners.max(1)], 1)


def triangles(corners: np.ndarray) -> list[np.ndarray]:
    """Two that make up a quadrilateral (4, 2), cut along a diagonal inside it; none if
    it has no area, or its sides cross."""
    for a, b, c, d in (corners, np.roll(corners, 1, 0)):
        halves = [np.float32([a, b, c]), np.float32([a, c, d])]
        if signed_area(halves[0]) * signed_area(halves[1]) > 0:
            return halves
    return []


def signed_area(triangle: np.ndarray) -> float:
    """Returns an area, positive if corners go clockwise (y points down)."""
    (ax, ay), (bx, by) = triangle[1:] - triangle[0]
    return float(ax * by - ay * bx) / 2


# ==== readers


def corners_in(lines: Iterator[tuple], height: int, width: int) -> list[dict]:
    """Returns the objects of a file of labels, in pixels, with corners in their order.

    A line is the number of a category and, in fractions of the image, x and y of four
    corners.
    """
    objects = []
    for where, category, values in lines:
        if len(values) != 8:
            what = f"{len(values)} numbers, not x and y of four corners"
            raise ValueError(f"{where}: {what}{', but a box' * (len(values) == 4)}")
        corners = values.reshape(4, 2) * [width, height]
        objects.append({"category": category, "quadrilateral": corners.tolist()})
    return objects


def corners_in_dota(path: Path, counts: Counter) -> list[dict]:
    """Returns the objects of a file of DOTA, in pixels, but for difficult ones."""
    objects = []
    for category, difficult, corners in rows_in_dota(path):
        counts["difficult objects left out"] += difficult
        if not difficult:
            objects.append({"category": category, "quadrilateral": corners.tolist()})
    return objects


# ==== parsers


def parse_quadrilaterals(
    given: object, known: dict[str, int], height: int, width: int, counts: Counter
) -> Quadrilaterals:
    """Returns the quadrilaterals of an image; ValueError says which one is wrong."""
    if not isinstance(given, list):
        raise ValueError(f"not a list of objects: {given!r:.100}")
    corners, boxes, classes = [], [], []
    for item in given:
        try:
            name = str(item["category"]).strip()
            four = np.array(
                [[float(x), float(y)] for x, y in item["quadrilateral"]], np.float32
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            wanted = "a category of the job with a quadrilateral of four x, y"
            raise ValueError(f"not {wanted}: {item!r:.200}") from None
        if not is_named(name, known, counts):
            continue
        if four.shape != (4, 2) or not (abs(four) < FAR).all():
            raise ValueError(f"not four corners x, y: {item['quadrilateral']!r:.200}")
        if not triangles(four):
            what = "without area, or with sides that cross"
            raise ValueError(f"{what}: {item['quadrilateral']}")
        seen = cut(four.astype(float), np.zeros(2), np.array([width, height]))
        if not len(seen) or not np.ptp(seen, 0).all():
            raise ValueError(
                f"outside the {width}x{height} image: {item['quadrilateral']}"
            )
        corners.append(four)
        boxes.append([*seen.min(0), *seen.max(0)])
        classes.append(known[name])
    corners = np.array(corners, np.float32).reshape(-1, 4, 2)
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    tiny = len(boxes) > 0 and bool(boxes.max() <= 1)
    counts["images with boxes in the first pixel alone, as if in fractions"] += tiny
    return joined([Quadrilaterals(corners, boxes, np.array(classes, np.int64))], counts)


def quadrilaterals_of_boxes(objects: Objects) -> Quadrilaterals:
    """Returns the corners of boxes, clockwise from the top left."""
    corners = objects.boxes[:, [[0, 1], [2, 1], [2, 3], [0, 3]]]
    return Quadrilaterals(corners, objects.boxes, objects.classes)


def quadrilaterals_in_image(truth: Quadrilaterals, frame: Frame) -> Quadrilaterals:
    """Returns the quadrilaterals of boxes, in pixels of the image as it is shown."""
    boxes = boxes_in_image(truth.boxes, frame)
    corners = boxes[:, [[0, 1], [2, 1], [2, 3], [0, 3]]]
    return Quadrilaterals(corners, boxes, truth.classes)
