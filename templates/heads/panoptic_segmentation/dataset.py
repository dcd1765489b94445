# ==== readers


def segments_from_coco(item: dict, names: dict[int, str]) -> dict:
    """The file of an image's segments, and their categories by id; None for a crowd."""
    file, segments = item["file_name"], {}
    for segment in item["segments_info"]:
        if not {"id", "category_id"} <= segment.keys():
            raise ValueError(f"{file}: no `id` or `category_id`: {segment!r:.200}")
        number, category = int(segment["id"]), segment["category_id"]
        if category not in names:
            what = f"segment {number}: no category has the id {category}"
            raise ValueError(f"{file}: {what}")
        segments[number] = None if segment.get("iscrowd") else names[category]
    return {"file": file, "segments": segments}


# ==== readers_native


def read_panoptic_maps(
    folder: Path, names: tuple[str, ...], colors: tuple, things: Sequence[int]
) -> dict[str, Path]:
    """The file of each image's maps, once the dataset's categories, their colors and
    which of them are things are known to be as in the job."""
    path, entry = described(folder, "panoptic segmentation", "categories", names)
    if entry.get("things") is not None:
        ours = {names[thing] for thing in things}
        compare_names(path, "things", names_of(path, entry, "things"), ours)
    return read_class_maps(folder, "panoptic segmentation", names, colors)


# ==== parsers


def parse_panoptic(
    path: Path, colors: tuple, things: Sequence[int], height: int, width: int
) -> Instances:
    """The segments of an image: of a thing each instance, of stuff each kind."""
    pages = list(itertools.islice(pages_of(path, height, width, grey=2), 3))
    if len(pages) != 2:
        wanted = "categories by color, and numbers of instances in grey"
        raise ValueError(f"{path}: not 2 pages: {wanted}")
    kinds, numbers = category_map(path, pages[0], colors), pages[1]
    if numbers.shape != kinds.shape or not np.issubdtype(numbers.dtype, np.integer):
        raise ValueError(f"{path}: page 2 is not grey, or not of the size of page 1")
    counted = np.isin(kinds, things)
    # A thing without a number is part of a crowd, of which nothing is learned.
    kinds = np.where(counted & (numbers == 0), -1, kinds)
    numbers = np.where(counted, numbers, 0).astype(np.int64)
    codes = scaled(numbers * (len(colors) + 1) + kinds + 1, height, width)
    masks, classes = [], []
    for code in np.unique(codes).tolist():
        kind = code % (len(colors) + 1) - 1
        if kind >= 0:
            masks.append(encoded(codes == code))
            classes.append(kind)
    return instances_of(masks, classes)


def same_segments(one: Instances, other: Instances) -> Instances:
    """Those of an image that has two annotations; ValueError where they differ."""
    if len(joined([one, other], Counter()).boxes) != len(one.boxes):
        raise ValueError("two annotations with different segments")
    return one


def category_map(path: Path, page: np.ndarray, colors: tuple) -> np.ndarray:
    """The index of each pixel's category by its color, -1 where black."""
    weights = [1 << 16, 1 << 8, 1]
    codes, known = page.astype(np.int64) @ weights, [0, *np.array(colors) @ weights]
    order = np.argsort(known)
    place = np.searchsorted(known, codes, sorter=order).clip(max=len(colors))
    index = order[place]
    unknown = np.array(known)[index] != codes
    if unknown.any():
        y, x = np.argwhere(unknown)[0].tolist()
        color = page[y, x].tolist()
        raise ValueError(f"{path}: no category has the color {color} at x {x}, y {y}")
    return index - 1


def parse_coco_panoptic(
    given: list[dict],
    folder: Path,
    kinds: dict[str, int],
    things: Sequence[int],
    size: tuple[int, int],
    counts: Counter,
) -> Instances:
    """The segments of an image: of a thing each instance, of stuff each kind."""
    if len(given) != 1:
        raise ValueError(f"{len(given)} annotations, not one")
    path, segments = below(folder, given[0]["file"]), given[0]["segments"]
    ids = segment_ids(path, *size)
    lacking = np.setdiff1d(ids, [0, *segments]).tolist()
    if lacking:
        raise ValueError(f"{path}: `segments_info` has no segment {lacking[0]}")
    groups = {}
    for number, category in segments.items():
        if category is not None:
            kind = kinds[category]
            group = (kind, number if kind in things else None)
            groups.setdefault(group, []).append(number)
    masks, classes = [], []
    for (kind, _), numbers in groups.items():
        mask = np.isin(ids, numbers)
        if mask.any():
            masks.append(encoded(mask))
            classes.append(kind)
        else:
            counts["segments without area left out"] += 1
    return instances_of(masks, classes)


def segment_ids(path: Path, height: int, width: int) -> np.ndarray:
    """The id of each pixel's segment, (height, width), 0 where unknown."""
    try:
        with Image.open(path, formats=["PNG"]) as file:
            check_shape(file.size, height, width)
            pixels = np.asarray(file.convert("RGB"), np.int64)
    except FileNotFoundError:
        raise ValueError(f"its segments are missing: {path}") from None
    except Exception as error:  # a broken file can raise nearly anything
        raise ValueError(f"its segments, {path}: {error}") from None
    return scaled(pixels @ [1, 1 << 8, 1 << 16], height, width)
