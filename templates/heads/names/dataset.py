# ==== readers


def images_by_class(folder: Path, counts: Counter) -> dict[str, list[Path]]:
    """Returns images by the folder, inside this one at any depth, that holds them."""
    if not folder.is_dir():
        raise SystemExit(f"{folder}: no such folder")
    classes = {}
    for place, images in images_below(folder, counts):
        if place == folder:
            counts["images left out: in no folder of a category"] += len(images)
        elif images:
            classes.setdefault(place.relative_to(folder).parts[0], []).extend(images)
    others = [x for x in folder.iterdir() if x.is_dir() and x.name not in classes]
    for place in others:
        if not place.name.startswith(HIDDEN):
            if any(files for _, _, files in os.walk(place)):
                counts["folders left out: without images of a category"] += 1
            else:  # a category of which nothing is there
                classes[place.name] = []
    return classes


def images_by_stem(folder: Path, counts: Counter) -> dict[str, Path]:
    """Returns the images below a folder by their paths from it, without suffix."""
    images = {}
    for _, files in images_below(folder, counts):
        for file in files:
            stem = file.relative_to(folder).with_suffix("").as_posix()
            if images.setdefault(stem, file) != file:
                counts["images left out: another suffix of the same name"] += 1
    return images


def files_ending(folder: Path, ending: str, counts: Counter) -> dict[str, Path]:
    """Returns the files below a folder whose names end so, by their paths from it
    without this ending."""
    files = {}
    for _, found in images_below(folder, counts, lambda name: name.endswith(ending)):
        for path in found:
            files[path.relative_to(folder).as_posix().removesuffix(ending)] = path
    return files


def files_beginning(files: dict[str, Path], beginning: str) -> dict[str, Path]:
    """Returns the files whose names begin so, by their paths without this beginning."""
    found = {}
    for key, path in files.items():
        folder, name = os.path.split(key)
        if name.startswith(beginning):
            found[os.path.join(folder, name.removeprefix(beginning))] = path
    return found


def in_both(
    images: dict[str, Path], maps: dict[str, Path], places: tuple, counts: Counter
) -> list[str]:
    """Returns the names that an image and a map have, of two folders, and counts the
    others; ends the run where there are none."""
    names = sorted(images.keys() & maps.keys())
    if not names:
        found = f"{len(images)} images in {places[0]}, {len(maps)} maps in {places[1]}"
        shown = [next(iter(files), "none") for files in (images, maps)]
        raise SystemExit(f"{found}, no two of one name: {' and '.join(shown):.300}")
    counts["images left out: they have no map"] += len(images) - len(names)
    counts["maps left out: they have no image"] += len(maps) - len(names)
    return names


def names_in_split(path: Path, images: dict[str, Path]) -> list[str]:
    """Returns the names in a file of VOC, perhaps with quotes or the image's suffix; a
    line may tell behind it whether a category is there: 1, -1 or 0."""
    try:
        lines = noted(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise SystemExit(f"{path}: cannot be read: {error}") from None
    lines = [line.strip().replace("\\", "/") for line in lines if line.strip()]
    flag = re.compile(r"\s+(1|-1|0)$")
    names = [x if x in images else flag.sub("", x).strip('"') for x in lines]
    plain = [os.path.splitext(x)[0] if is_image(x) else x for x in names]
    return [x if x in images else y for x, y in zip(names, plain)]


def yolo_names(path: Path, entry: dict) -> list[str]:
    """Returns names by their numbers: from a list, or a mapping from 0 on."""
    names = entry.get("names")
    if isinstance(names, dict) and {*map(str, names)} == {*map(str, range(len(names)))}:
        names = [name for _, name in sorted(names.items(), key=lambda x: int(x[0]))]
    if not isinstance(names, list):
        raise SystemExit(f"{path}: `names` neither lists names nor numbers them from 0")
    if entry.get("nc") not in (None, len(names)):
        raise SystemExit(f"{path}: `nc` is {entry['nc']!r:.99}, of names {len(names)}")
    return [str(name).strip() for name in names]


def images_of(
    path: Path, entry: dict, split: str, root: Path | None, counts: Counter
) -> list[Path]:
    """Returns the images below the folders, or in the lists, that a split names."""
    try:
        base = below(path.parent, str(entry.get("path") or "."), root)
        return images_named(entry[split], lambda name: below(base, name, root), counts)
    except (OSError, ValueError) as error:
        raise SystemExit(f"{path}: {split}: {error}") from None


def images_moved(
    prefix: str, path: Path, entry: dict, split: str, root: Path, counts: Counter
) -> list[Path]:
    """Returns the images of a split whose paths begin with a prefix: without it they
    lead from the folder of the `data.yaml`."""

    def named(name: object) -> Path:
        whole = PurePosixPath(str(entry.get("path") or "").strip(), str(name).strip())
        plain = whole.as_posix().replace("\\", "/")
        return below(path.parent, plain.removeprefix(prefix), root)

    try:
        return images_named(entry[split], named, counts)
    except (OSError, ValueError) as error:
        raise SystemExit(f"{path}: {split}: {error}") from None


def images_named(
    names: object, path_of: Callable[[object], Path], counts: Counter
) -> list[Path]:
    """Returns the images below folders, or in lists, that have these names; `path_of`
    leads from a name to a path."""
    files = []
    for place in map(path_of, names if isinstance(names, list) else [names]):
        if place.is_dir():
            below_it = (images for _, images in images_below(place, counts))
            files += sorted(itertools.chain(*below_it))
        else:
            lines = noted(place).read_text(encoding="utf-8-sig").splitlines()
            files += [path_of(line) for line in map(str.strip, lines) if line]
    return files


def images_in_folder(folder: Path, counts: Counter) -> list[Path]:
    """Returns all images of a folder and those below it."""
    if not folder.is_dir():
        raise SystemExit(f"{folder}: no such folder")
    return sorted(itertools.chain(*(x for _, x in images_below(folder, counts))))


def images_in_list(path: Path, path_of: Callable[[str], Path]) -> list[Path]:
    """Returns the images in a list of paths; `path_of` leads from a line to a path."""
    try:
        lines = noted(path).read_text(encoding="utf-8-sig").splitlines()
        return [path_of(line) for line in map(str.strip, lines) if line]
    except (OSError, ValueError) as error:
        raise SystemExit(f"{path}: {error}") from None


def listed_names(path: Path) -> list[str]:
    """Returns the names in a file, one a line."""
    try:
        lines = noted(path).read_text(encoding="utf-8-sig").rstrip().splitlines()
    except (OSError, ValueError) as error:
        raise SystemExit(f"{path}: cannot be read: {error}") from None
    names = [line.strip() for line in lines]
    if "" in names:
        raise SystemExit(f"{path}: line {names.index('') + 1} has no name")
    return names


def pose_numbers(path: Path, entry: dict) -> int | None:
    """Returns how many numbers of a line are keypoints; None without keypoints."""
    shape = entry.get("kpt_shape")
    if shape is None:
        return None
    match shape:
        case [int(points), 2 | 3 as values] if points > 0:
            return 4 + points * values
    raise SystemExit(f"{path}: `kpt_shape` is not [keypoints, 2 or 3]: {shape!r:.99}")


def labels_path(image: Path) -> Path:
    """.../images/a/b.jpg -> .../labels/a/b.txt"""
    parts = list(image.parts)
    for place in reversed(range(len(parts) - 1)):
        if parts[place] == "images":
            parts[place] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def image_folder(path: Path) -> Path:
    """Returns the folder with the images of a COCO file."""
    for folder in (path.with_suffix(""), path.parent / "images"):
        if folder.is_dir():
            return folder
    return path.parent


def panoptic_image_folder(path: Path) -> Path:
    """Not the folder of the file's name: it holds the segments."""
    folder = path.parent / "images"
    return folder if folder.is_dir() else path.parent


def check_coco(path: Path, content: object, fields: tuple[str, ...]):
    """Ends the program unless the items of a COCO file have what is read of them,
    `fields` of an annotation, and name one another."""
    wanted = {"images": ("id", "file_name"), "categories": ("id", "name")}
    for key, names in (*wanted.items(), ("annotations", ("image_id", *fields))):
        items = content.get(key) if isinstance(content, dict) else None
        if not isinstance(items, list):
            raise SystemExit(f"{path}: has no list `{key}`, as a COCO file has")
        for item in items:
            if key == "annotations" and isinstance(item, tuple):  # has all fields
                continue
            known = item if isinstance(item, dict) else {}
            for name in names:
                ids = (dict, list) if name.endswith("id") else ()
                if known.get(name) is None or isinstance(known[name], ids):
                    what = f"one has no `{name}`: {item!r:.200}"
                    raise SystemExit(f"{path}: {key}: {what}")
    named = {
        "image_id": by_id(path, "images", content["images"], "file_name"),
        "category_id": by_id(path, "categories", content["categories"], "name"),
    }
    for key in named.keys() & {"image_id", *fields}:
        for item in content["annotations"]:
            get = dict.get if isinstance(item, dict) else getattr
            if get(item, key) not in named[key]:
                what = f"none has the `{key}` {get(item, key)!r:.50} of annotation"
                raise SystemExit(f"{path}: {what} {get(item, 'id')!r:.50}")


def by_id(path: Path, key: str, items: list[dict], field: str) -> dict:
    """Returns items of a COCO file by their ids; ends the program if ids repeat."""
    known = {}
    for item in items:
        other = known.setdefault(item["id"], item)
        if other[field] != item[field]:
            both = f"{other[field]!r:.100} and {item[field]!r:.100}"
            raise SystemExit(f"{path}: {key}: {both} have one `id`, {item['id']!r:.50}")
    return known


# ==== readers_native


def names_of(path: Path, entry: dict, key: str) -> set[str]:
    """Returns the names listed in an entry, stripped of spaces."""
    names = entry.get(key)
    if not isinstance(names, list):
        raise SystemExit(f"{path}: `{key}` is not a list of names")
    return {str(name).strip() for name in names}
