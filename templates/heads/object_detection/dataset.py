# ==== labels


class Objects(NamedTuple):
    """The objects of one image."""

    boxes: np.ndarray  # (G, 4) left, top, right, bottom in pixels
    classes: np.ndarray  # (G,) indices into the categories


# ==== readers


def object_from_coco(item: dict, names: dict[int, str]) -> dict:
    """An annotation with its category's name, and with left, top, right, bottom."""
    left, top, width, height = (float(side) for side in item["bbox"])
    box = [left, top, left + width, top + height]
    return {"category": names[item["category_id"]], "bbox": box}


def objects_in_xml(path: Path, counts: Counter) -> tuple[list[dict], tuple]:
    """The objects of an annotation, their sides as they stand, in pixels from zero; and
    the width and height of its image, None where it tells none."""
    try:
        root = ElementTree.parse(path).getroot()
    except FileNotFoundError:
        raise ValueError(f"no annotation {path.name}") from None
    except Exception as error:  # hostile XML has many ways to be wrong
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(f"{path.name} is not XML: {reason:.200}") from None
    objects = []
    for item in root.iter("object"):
        if item.findtext("difficult", "0").strip() == "1":
            counts["difficult objects left out"] += 1
            continue
        if not item.findtext("name"):
            raise ValueError(f"{path.name}: an object without a name")
        sides = [item.findtext(f"bndbox/{side}") for side in VOC_SIDES]
        objects.append({"category": item.findtext("name"), "bbox": sides})
    return objects, (root.findtext("size/width"), root.findtext("size/height"))


def objects_in(
    path: Path,
    names: list[str],
    numbers: int | None,
    height: int,
    width: int,
    counts: Counter,
) -> list[dict]:
    """The objects of a file of labels, in pixels; of a polygon, the hull of what the
    image shows of it.

    A line is the number of a category and, in fractions of the image, either x and y of
    the center, width and height of a box, or x and y of three corners or more.
    """
    objects = []
    for where, category, values in lines_of(path, names, numbers, counts):
        if len(values) == 4:
            center, size = values.reshape(2, 2)
            corners = np.stack([center - size / 2, center + size / 2])
        elif len(values) >= 6 and len(values) % 2 == 0:
            corners = values.reshape(-1, 2)
            counts["polygons, taken for the boxes around them"] += 1
        else:
            what = f"{len(values)} numbers, neither a box nor a polygon"
            raise ValueError(f"{where}: {what}")
        corners = corners * [width, height]
        if len(values) > 4 and (abs(corners) < FAR).all():
            seen = cut(corners, np.zeros(2), np.array([width, height]))
            if not len(seen):
                raise ValueError(f"{where}: outside the {width}x{height} image")
            counts["boxes clipped to their image"] += seen is not corners
            corners = seen
        box = [*corners.min(0).tolist(), *corners.max(0).tolist()]
        objects.append({"category": category, "bbox": box})
    return objects


def lines_of(
    path: Path, names: list[str], numbers: int | None, counts: Counter
) -> Iterator[tuple[str, str, np.ndarray]]:
    """Of each line of a file of labels: where it stands, its category, its numbers; of
    one with keypoints, which has `numbers`, those of its box."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        counts["images without a file of labels"] += 1
        return
    except (OSError, ValueError) as error:
        raise ValueError(f"{path.name} cannot be read: {error}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{path.name}, line {number}"
        try:
            category, *values = line.split()
            category, values = int(category), np.array(values, np.float64)
        except ValueError:
            raise ValueError(f"{where}: not numbers") from None
        if not 0 <= category < len(names):
            raise ValueError(f"{where}: category {category} of {len(names)}")
        if numbers is not None:
            if len(values) != numbers:
                what = f"{len(values)} numbers, by `kpt_shape` {numbers}"
                raise ValueError(f"{where}: {what}")
            values = values[:4]
        elif len(values) > 4 and 2 <= np.abs(values).max() < np.inf:
            # A polygon may leave its image a little; keypoints have a 2 where visible.
            what = "a corner far outside the image; `kpt_shape` would tell of keypoints"
            raise ValueError(f"{where}: {what}")
        yield where, names[category], values


# ==== readers_native


def annotations_for(folder: Path, task: str) -> dict:
    """Annotations by image of the one entry for a task, whatever it names."""
    path, entries = entries_of(folder, task)
    if len(entries) > 1:
        raise SystemExit(f"{path}: several entries with `task: {task}`")
    return annotations_of(path, entries[0])


# ==== parsers

FAR = 1e12  # pixels; sides of polygons are exact up to there


def cut(polygon: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """What of a polygon (N, 2) lies between `low` and `high`, x and y each: itself if
    all of it does, else one with corners where its sides cross these limits."""
    for axis, limit, sign in ((0, low, 1), (1, low, 1), (0, high, -1), (1, high, -1)):
        depth = sign * (polygon[:, axis] - limit[axis])
        if (depth >= 0).all():
            continue
        after, beyond = np.roll(polygon, -1, 0), np.roll(depth, -1)
        crosses = (depth < 0) != (beyond < 0)
        share = depth / np.where(crosses, depth - beyond, 1)
        crossings = polygon + share[:, None] * (after - polygon)
        crossings[:, axis] = limit[axis]  # whatever the rounding
        both = np.stack([polygon, crossings], 1)
        polygon = both[np.stack([depth >= 0, crosses], 1)]
    return polygon


def parse_objects(
    given: object, known: dict[str, int], height: int, width: int, counts: Counter
) -> Objects:
    """The objects of an image, clipped to it; ValueError says which one is wrong."""
    if not isinstance(given, list):
        raise ValueError(f"not a list of objects: {given!r:.100}")
    boxes, classes = [], []
    for item in given:
        try:
            name = str(item["category"])
            left, top, right, bottom = (float(side) for side in item["bbox"])
            box = np.array([left, top, right, bottom], np.float32)
        except (KeyError, TypeError, ValueError, OverflowError):
            wanted = "a category of the job with a bbox of four numbers"
            raise ValueError(f"not {wanted}: {item!r:.200}") from None
        if name not in known:
            counts[f"what the job does not name, left out: {name:.60}"] += 1
            continue
        if not (np.isfinite(box).all() and left <= right and top <= bottom):
            raise ValueError(f"not left, top, right, bottom: {item['bbox']}")
        if left >= width or top >= height or right <= 0 or bottom <= 0:
            what = f"a box outside the {width}x{height} image: {item['bbox']}"
            raise ValueError(what)
        visible = np.clip(box, 0, [width, height, width, height])
        counts["boxes clipped to their image"] += bool((visible != box).any())
        if (visible[2:] > visible[:2]).all():
            boxes.append(visible)
            classes.append(known[name])
        else:
            counts["boxes without area left out"] += 1
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    return Objects(boxes, np.array(classes, np.int64))


def boxes_of_instances(instances: Instances) -> Objects:
    return Objects(instances.boxes, instances.classes)


def boxes_of_keypoints(
    given: object, names: tuple[str, ...], height: int, width: int, counts: Counter
) -> list[dict]:
    """Instances as objects of the one category: boxes around their present keypoints.
    Their sides are a 32nd of the image's longer one at least: a single keypoint, too,
    has an area."""
    if not isinstance(given, list):
        raise ValueError(f"not a list of instances: {given!r:.100}")
    objects = []
    for item in given:
        try:
            places = [place for place in item.values() if place is not None]
            places = [(float(x), float(y)) for x, y in places]
        except (AttributeError, TypeError, ValueError, OverflowError):
            raise ValueError(f"not keypoints by name: {item!r:.200}") from None
        places = [moved_inside(*place, height, width, counts) for place in places]
        if places := [place for place in places if place]:
            low, high = np.min(places, 0), np.max(places, 0)
            missing = np.maximum(0, max(height, width) / 32 - (high - low)) / 2
            box = [*(low - missing).tolist(), *(high + missing).tolist()]
            objects.append({"category": names[0], "bbox": box})
    return objects


def boxes_of_quadrilaterals(given: Quadrilaterals) -> Objects:
    """The boxes around what the image shows of them."""
    return Objects(given.boxes, given.classes)


def objects_in_image(objects: Objects, frame: Frame) -> Objects:
    """The same in pixels of the image as it is shown."""
    return objects._replace(boxes=boxes_in_image(objects.boxes, frame))
