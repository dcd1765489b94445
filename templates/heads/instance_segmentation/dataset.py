# ==== labels


class Instances(NamedTuple):
    """The instances of one image."""

    boxes: np.ndarray  # (G, 4) left, top, right, bottom in pixels: extents of the masks
    classes: np.ndarray  # (G,) indices into the categories
    masks: tuple[dict, ...]  # COCO's run lengths, {"size", "counts"}, of the image


# ==== readers


def instance_from_coco(item: dict, names: dict[int, str]) -> dict:
    """An annotation with its category's name; its mask is read later."""
    wanted = ("id", "segmentation")
    return {key: item[key] for key in wanted} | {"category": names[item["category_id"]]}


def polygons_in(
    path: Path,
    names: list[str],
    numbers: int | None,
    height: int,
    width: int,
    counts: Counter,
) -> list[dict]:
    """The objects of a file of labels, with polygons (N, 2), x and y in pixels.

    A line is the number of a category and, in fractions of the image, x and y of three
    corners or more. A box says nothing of a mask.
    """
    objects = []
    for where, category, values in lines_of(path, names, numbers, counts):
        if len(values) < 6 or len(values) % 2:
            what = f"{len(values)} numbers, not x and y of three corners or more"
            raise ValueError(f"{where}: {what}{', but a box' * (len(values) == 4)}")
        polygon = values.reshape(-1, 2) * [width, height]
        if not (abs(polygon) < FAR).all():
            raise ValueError(f"{where}: not finite, or far from any image")
        objects.append({"category": category, "polygon": polygon})
    return objects


# ==== readers_native


def read_things(
    folder: Path, known: dict[str, int]
) -> dict[str, tuple[Path, tuple, range]]:
    """The maps of each image, the colors in them, and the places of things: all that
    the job names, once they fit the dataset's."""
    path, entries = entries_of(folder, "panoptic segmentation")
    if len(entries) > 1:
        raise SystemExit(f"{path}: several entries with `task: panoptic segmentation`")
    [entry] = entries
    key = "categories" if entry.get("things") is None else "things"
    compare_categories(path, key, names_of(path, entry, key), known)
    colors, things = colors_of(path, entry, known), range(len(known))
    maps = maps_of(folder, path, entry)
    return {image: (file, colors, things) for image, file in maps.items()}


# ==== parsers


def parse_pages(path: Path, colors: tuple, height: int, width: int) -> Instances:
    """The instances of an image, a page each, of categories that the job names;
    ValueError says which one is wrong."""
    masks, classes, places = [], [], dict(colors)
    for number, page in enumerate(pages_of(path, height, width), 1):
        covered = page.any(2)
        found = {tuple(color) for color in np.unique(page[covered], axis=0).tolist()}
        if len(found) == 1 and found <= places.keys():
            classes.append(places[found.pop()])
            masks.append(encoded(scaled(covered, height, width)))
        elif found:
            odd = sorted(found - places.keys()) or sorted(found)
            raise ValueError(f"{path}: page {number} is not of one category: {odd[:5]}")
        else:
            classes.append(None)
    if classes == [None]:  # a single black page says that there is nothing
        classes = []
    if None in classes:
        raise ValueError(f"{path}: page {classes.index(None) + 1} is empty")
    kept = [i for i, category in enumerate(classes) if category >= 0]
    return instances_of([masks[i] for i in kept], [classes[i] for i in kept])


def pages_of(
    path: Path, height: int, width: int, grey: int = 0
) -> Iterator[np.ndarray]:
    """The pages of a TIFF in RGB, but for the one of number `grey`; each has the shape
    of its image. One at a time, to spare memory."""
    try:
        with Image.open(path, formats=["TIFF"]) as file:
            for number, page in enumerate(ImageSequence.Iterator(file), 1):
                check_shape(page.size, height, width)
                yield np.asarray(page if number == grey else page.convert("RGB"))
    except FileNotFoundError:
        raise ValueError(f"no file of its masks in {path.parent}") from None
    except Exception as error:  # a broken file can raise nearly anything
        raise ValueError(f"its masks, {path}: {error}") from None


def check_shape(size: tuple[int, int], height: int, width: int):
    """ValueError unless this size, width first, is that of the image or scaled."""
    if size[0] * size[1] > MOST_PIXELS:  # before it is decoded
        raise ValueError(f"more than {MOST_PIXELS:,} pixels")
    # Both sides are rounded when a mask is scaled down.
    if abs(size[1] * width - size[0] * height) >= width + height:
        sizes = f"{size[0]}x{size[1]}, the image {width}x{height}"
        raise ValueError(f"another aspect ratio: {sizes}")


def scaled(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """A mask at the size of its image: of each pixel that where its center lies."""
    rows = (2 * np.arange(height) + 1) * len(mask) // (2 * height)
    columns = (2 * np.arange(width) + 1) * mask.shape[1] // (2 * width)
    return mask[rows[:, None], columns]


def instances_of(masks: list[dict], classes: list[int]) -> Instances:
    """Instances of encoded masks, each of which has a pixel at least."""
    boxes = coco_mask.toBbox(masks).reshape(-1, 4).astype(np.float32)
    boxes[:, 2:] += boxes[:, :2]
    return Instances(boxes, np.array(classes, np.int64), tuple(masks))


def encoded(mask: np.ndarray) -> dict:
    """A mask (height, width) as run lengths: a hundred bytes or so."""
    return coco_mask.encode(np.asfortranarray(mask, np.uint8))


def parse_segments(
    given: list[dict], known: dict[str, int], height: int, width: int, counts: Counter
) -> Instances:
    """The instances of an image; ValueError says which annotation is wrong."""
    masks, classes = [], []
    for item in named(given, known, counts):
        try:
            masks.append(mask_runs(item["segmentation"], height, width))
        except ValueError as error:
            raise ValueError(f"annotation {item['id']}: {error}") from None
        classes.append(known[item["category"]])
    return instances_with_area(masks, classes, counts)


def named(given: list[dict], known: dict[str, int], counts: Counter) -> list[dict]:
    """The annotations of categories that the job names; the others are counted."""
    others = [item["category"] for item in given if item["category"] not in known]
    counts.update(f"what the job does not name, left out: {x:.60}" for x in others)
    return [item for item in given if item["category"] in known]


def instances_with_area(
    masks: list[dict], classes: list[int], counts: Counter
) -> Instances:
    """Instances of run lengths, without those that have no pixel."""
    kept = np.flatnonzero(coco_mask.area(masks))
    counts["masks without area left out"] += len(masks) - len(kept)
    return instances_of([masks[i] for i in kept], [classes[i] for i in kept])


def mask_runs(given: object, height: int, width: int) -> dict:
    """A mask of COCO's polygons or run lengths, in the run lengths of `Instances`."""
    if isinstance(given, dict):
        if given.get("size") != [height, width]:
            size = given.get("size")
            raise ValueError(f"run lengths of {size}, the image [{height}, {width}]")
        runs = run_lengths(given.get("counts"))
        if min(runs, default=0) < 0 or sum(runs) != height * width:
            raise ValueError(f"run lengths of {sum(runs)} pixels, not {height * width}")
        whole = {"size": [height, width], "counts": runs}
        runs = coco_mask.frPyObjects(whole, height, width)
        return coco_mask.merge([runs, runs])  # joins what runs of no pixel divide
    if not isinstance(given, list) or not given:
        raise ValueError(f"neither polygons nor run lengths: {given!r:.100}")
    polygons = []
    for polygon in given:
        try:
            points = np.array(polygon, np.float64).reshape(-1, 2)
        except (TypeError, ValueError):
            raise ValueError(f"not x and y in turns: {polygon!r:.100}") from None
        if len(points) < 3 or not (abs(points) < FAR).all():
            raise ValueError(f"a polygon of {len(points)} points: {polygon!r:.100}")
        polygons.append(points)
    return polygon_runs(polygons, height, width)


def run_lengths(given: object) -> list[int]:
    """The run lengths of a list, or of COCO's text: numbers in base 32, lowest digits
    first, and from the fourth on only the differences to the last but one."""
    if isinstance(given, list) and all(type(run) is int for run in given):
        return given
    if not isinstance(given, str):
        raise ValueError(f"not run lengths: {given!r:.100}")
    runs, run, shift = [], 0, 0
    for character in given:
        digit = ord(character) - 48
        if not 0 <= digit < 64 or shift > 40:
            raise ValueError(f"not run lengths: {given!r:.100}")
        run |= (digit & 31) << shift
        shift += 5
        if not digit & 32:  # the last digit; its highest bit is the sign
            run -= (digit & 16) << (shift - 4)
            runs.append(run + (runs[-2] if len(runs) > 2 else 0))
            run, shift = 0, 0
    return runs


def polygon_runs(polygons: list[np.ndarray], height: int, width: int) -> dict:
    """Run lengths of what polygons (N, 2) cover of an image."""
    # The rasterizer cuts them at its edges, too, but follows all of an outline.
    size = np.array([width, height])
    near = [cut(polygon, -size, 2 * size) for polygon in polygons]
    flat = [polygon.flatten().tolist() for polygon in near if len(polygon)]
    return coco_mask.merge(coco_mask.frPyObjects(flat, height, width) if flat else [])


def parse_polygons(
    given: list[dict], known: dict[str, int], height: int, width: int, counts: Counter
) -> Instances:
    """The instances of an image, a polygon each."""
    given = named(given, known, counts)
    masks = [polygon_runs([item["polygon"]], height, width) for item in given]
    classes = [known[item["category"]] for item in given]
    return instances_with_area(masks, classes, counts)


def instances_in_image(
    instances: Instances, frame: Frame, counts: Counter
) -> Instances:
    """The same in pixels of the image as it is shown."""
    masks, classes = [], []
    for category, runs in zip(instances.classes.tolist(), instances.masks):
        mask = turned(coco_mask.decode(runs), frame.turn)
        mask = scaled(mask, *frame.shown)
        if mask.any():
            masks.append(encoded(mask))
            classes.append(category)
        else:
            counts["masks without area left out"] += 1
    return instances_of(masks, classes)
