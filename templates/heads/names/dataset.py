# ==== readers

SUFFIXES = (  # of images, as OpenCV and Pillow read them
    ".avif .bmp .gif .jfif .jp2 .jpeg .jpg .pbm .pgm .png .pnm .ppm .tif .tiff .webp"
).split()
HIDDEN = ".", "__MACOSX", "@eaDir", "$RECYCLE.BIN", "specc-"  # begins of names
OWN_FILES = {"resolved.json", "metrics.jsonl", "predictions.json"}  # specc's


def images_below(folder: Path, counts: Counter) -> Iterator[tuple[Path, list[Path]]]:
    """Each folder from this one down, and its images. Links are followed; what systems,
    tools and specc itself leave beside images is left out, and counted."""
    for place, folders, files in os.walk(folder, followlinks=True):
        own = place != str(folder) and OWN_FILES & set(files)
        above = map(os.path.realpath, Path(place).parents)
        if own or os.path.islink(place) and os.path.realpath(place) in above:
            what = "written by specc" if own else "links to one that they are in"
            counts[f"folders left out: {what}"] += 1
            folders.clear()
            continue
        files = [name for name in files if is_image(name)]
        shown = [name for name in files if not name.startswith(HIDDEN)]
        counts["hidden files left out"] += len(files) - len(shown)
        hidden = [name for name in folders if name.startswith(HIDDEN)]
        counts["hidden folders left out"] += len(hidden)
        folders[:] = sorted(set(folders) - set(hidden))
        yield Path(place), [Path(place, name) for name in sorted(shown)]


def is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in SUFFIXES


def images_by_class(folder: Path, counts: Counter) -> dict[str, list[Path]]:
    """The images in each folder in a folder, at any depth, by that folder's name."""
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
    """The images below a folder by their paths from it, without suffix."""
    images = {}
    for place, files in images_below(folder, counts):
        for file in files:
            stem = file.relative_to(folder).with_suffix("").as_posix()
            if images.setdefault(stem, file) != file:
                counts["images left out: another suffix of the same name"] += 1
    return images


def names_in_split(path: Path, images: dict[str, Path]) -> list[str]:
    """The names in a file of VOC; a line may tell behind it whether a category is
    there: 1, -1 or 0."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise SystemExit(f"{path}: cannot be read: {error}") from None
    lines = [line.strip().replace("\\", "/") for line in lines if line.strip()]
    flag = re.compile(r"\s+(1|-1|0)$")
    return [line if line in images else flag.sub("", line) for line in lines]


def yolo_names(path: Path, entry: dict) -> list[str]:
    """The names in the order of their numbers: a list, or a mapping from 0 on."""
    names = entry.get("names")
    if isinstance(names, dict) and set(names) == set(range(len(names))):
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list):
        raise SystemExit(f"{path}: `names` neither lists names nor numbers them from 0")
    if entry.get("nc") not in (None, len(names)):
        raise SystemExit(f"{path}: `nc` is {entry['nc']!r:.99}, of names {len(names)}")
    return [str(name).strip() for name in names]


def images_of(
    path: Path, entry: dict, split: str, root: Path | None, counts: Counter
) -> list[Path]:
    """The images below the folders, or in the lists, that a split names."""
    places = entry[split] if isinstance(entry[split], list) else [entry[split]]
    files = []
    try:
        base = below(path.parent, str(entry.get("path") or "."), root)
        for place in (below(base, name, root) for name in places):
            if place.is_dir():
                files += sorted(
                    itertools.chain(*(x for _, x in images_below(place, counts)))
                )
            else:
                lines = place.read_text(encoding="utf-8-sig").splitlines()
                lines = [line.strip() for line in lines]
                files += [below(base, line, root) for line in lines if line]
    except (OSError, ValueError) as error:
        raise SystemExit(f"{path}: {split}: {error}") from None
    return files


def labels_path(image: Path) -> Path:
    """.../images/a/b.jpg -> .../labels/a/b.txt"""
    parts = list(image.parts)
    for place in reversed(range(len(parts) - 1)):
        if parts[place] == "images":
            parts[place] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def table_in(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """The columns of a CSV file, and its rows with their lines; cells have no spaces at
    their ends, and are empty where a row is short."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, skipinitialspace=True)
            table = [(reader.line_num, [x.strip() for x in row]) for row in reader]
    except (OSError, ValueError, csv.Error) as error:
        raise SystemExit(f"{path}: cannot be read: {error}") from None
    (_, columns), *table = [x for x in table if any(x[1])] or [(1, [])]
    if twice := [name for name, n in Counter(columns).items() if name and n > 1]:
        raise SystemExit(f"{path}: has the column {twice[0]} twice")
    rows = []
    for line, row in table:
        if any(row[len(columns) :]):
            what = f"{len(row)} cells, in the header {len(columns)}"
            raise SystemExit(f"{path}: line {line}: {what}; quote what has commas")
        rows.append((line, dict.fromkeys(columns, "") | dict(zip(columns, row))))
    return columns, rows


def image_folder(path: Path) -> Path:
    """The folder with the images of a COCO file."""
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
    for item in content["annotations"]:
        for key in named.keys() & {"image_id", *fields}:
            if item[key] not in named[key]:
                what = f"none has the `{key}` {item[key]!r:.50} of annotation"
                raise SystemExit(f"{path}: {what} {item.get('id')!r:.50}")


def by_id(path: Path, key: str, items: list[dict], field: str) -> dict:
    """Items of a COCO file by their ids, of which each is one item's alone."""
    known = {}
    for item in items:
        other = known.setdefault(item["id"], item)
        if other[field] != item[field]:
            both = f"{other[field]!r:.100} and {item[field]!r:.100}"
            raise SystemExit(f"{path}: {key}: {both} have one `id`, {item['id']!r:.50}")
    return known


def read_json(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise SystemExit(f"{path}: cannot be read: {error}") from None


# ==== readers_native


def names_of(path: Path, entry: dict, key: str) -> set[str]:
    """Names as they stand in the file, but for spaces at their ends."""
    names = entry.get(key)
    if not isinstance(names, list):
        raise SystemExit(f"{path}: `{key}` is not a list of names")
    return {str(name).strip() for name in names}


def read_yaml(path: Path) -> object:
    try:
        return yaml.load(path.read_text(encoding="utf-8-sig"), SafeLoader)
    except (OSError, TypeError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise SystemExit(f"{path}: cannot be read: {error}") from None


def as_written(loader: yaml.Loader, node: yaml.Node) -> int | float | str:
    """A number where Python would write it so. All else stays text, as it may be a
    name: `no`, 1e3, 0777, 2024-01-01."""
    text = loader.construct_scalar(node)
    try:
        number = float(text) if "." in text else int(text)
    except ValueError:
        return text
    return number if str(number) == text else text


class SafeLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Without bombs: by aliases of aliases a few lines stand for billions of values."""

    yaml_constructors = yaml.SafeLoader.yaml_constructors | {
        f"tag:yaml.org,2002:{kind}": as_written
        for kind in ("bool", "int", "float", "timestamp", "value")
    }

    def construct_document(self, node: yaml.Node):
        values = count_values(node, {})
        if values > MOST_VALUES:
            raise ValueError(f"holds {values:,} values, the limit is {MOST_VALUES:,}")
        return super().construct_document(node)

    def construct_mapping(self, node: yaml.Node, deep: bool = False):
        keys = Counter(str(key.value) for key, _ in node.value)
        if len(keys) < len(node.value):
            line, twice = node.start_mark.line + 1, max(keys, key=keys.get)
            raise ValueError(
                f"{twice!r:.100} stands twice in what begins in line {line}"
            )
        return super().construct_mapping(node, deep)


def count_values(node: yaml.Node, known: dict[yaml.Node, int]) -> int:
    """The values in a node with every alias written out."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if node not in known:
        known[node] = MOST_VALUES  # if it holds itself
        pairs = isinstance(node, yaml.MappingNode)
        parts = itertools.chain.from_iterable(node.value) if pairs else node.value
        known[node] = 1 + sum(count_values(part, known) for part in parts)
    return known[node]


def below(folder: Path, name: object, root: Path | None = None) -> Path:
    """A path that the dataset names; it may not lead out of its folder, or of `root`,
    on any system. Unless there is such a file, a backslash parts folders, and spaces at
    its ends do not count.

    Links are followed: whoever could place one could place the file itself.
    """
    if not isinstance(name, str) or not name.strip() or "\0" in name:
        raise ValueError(f"not a file name: {name!r:.100}")
    plain = name.strip().replace("\\", "/")
    given = PureWindowsPath(plain)  # knows drives
    if given.anchor or given.drive or ".." in given.parts:
        path = Path(os.path.abspath(folder / plain))
        homes = [os.path.abspath(home) for home in (folder, root or folder)]
        known = os.name == "nt" or not given.drive
        if not (known and any(path.is_relative_to(home) for home in homes)):
            raise ValueError(f"leads out of {homes[1]}: {name!r:.100}")
        return path
    return folder / (name if plain == name or os.path.exists(folder / name) else plain)
