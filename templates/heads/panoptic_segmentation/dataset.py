# ==== readers


def segments_from_coco(item: dict, names: dict[int, str]) -> dict:
    """The file of an image's segments, and their categories by id; None for a crowd."""
    file, segments = item["file_name"], {}
    for segment in item["segments_info"]:
        number, category = int(segment["id"]), segment["category_id"]
        if category not in names:
            what = f"segment {number}: no category has the id {category}"
            raise ValueError(f"{file}: {what}")
        segments[number] = None if segment.get("iscrowd") else names[category]
    return {"file": file, "segments": segments}


def panoptic_image_folder(path: Path) -> Path:
    """Not the folder of the file's name: it holds the segments."""
    folder = path.parent / "images"
    return folder if folder.is_dir() else path.parent


def compare_things(
    path: Path, found: set, names: set, known: dict[str, int], things: Sequence[int]
):
    """Ends the run unless of what dataset and job both name the same are things."""
    ours = {name for name in names & known.keys() if known[name] in things}
    compare_names(path, "things", found & known.keys(), ours)


# ==== readers_native


def read_panoptic_maps(
    folder: Path, known: dict[str, int], things: Sequence[int]
) -> dict[str, tuple[Path, tuple]]:
    """The file of each image's maps, with the colors in it, once the dataset's
    categories fit the job's, and the same ones are things."""
    path, entry = described(folder, "panoptic segmentation", "categories", known)
    if entry.get("things") is not None:
        found, names = (names_of(path, entry, key) for key in ("things", "categories"))
        compare_things(path, found, names, known, things)
    return read_colored_maps(folder, "panoptic segmentation", known)


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
    most = max((index for _, index in colors), default=-1) + 2
    codes = scaled(numbers * most + kinds + 1, height, width)
    masks, classes = [], []
    for code in np.unique(codes).tolist():
        kind = code % most - 1
        if kind >= 0:
            masks.append(encoded(codes == code))
            classes.append(kind)
    return instances_of(masks, classes)


def category_map(path: Path, page: np.ndarray, colors: tuple) -> np.ndarray:
    """The index of each pixel's category by its color, -1 where black or not named."""
    places, weights = {(0, 0, 0): -1} | dict(colors), [1 << 16, 1 << 8, 1]
    order = sorted(places)
    codes, known = page.astype(np.int64) @ weights, np.array(order) @ weights
    place = np.searchsorted(known, codes).clip(max=len(known) - 1)
    unknown = known[place] != codes
    if unknown.any():
        y, x = np.argwhere(unknown)[0].tolist()
        color = page[y, x].tolist()
        raise ValueError(f"{path}: no category has the color {color} at x {x}, y {y}")
    return np.array([places[color] for color in order])[place]


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
        if category in kinds:
            kind = kinds[category]
            group = (kind, number if kind in things else None)
            groups.setdefault(group, []).append(number)
        elif category is not None:
            counts[f"what the job does not name, left out: {category:.60}"] += 1
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
