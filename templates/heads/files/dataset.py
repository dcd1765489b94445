# ==== files

SUFFIXES = (  # image files that OpenCV and Pillow read
    ".avif .bmp .gif .jfif .jp2 .jpeg .jpg .pbm .pgm .png .pnm .ppm .tif .tiff .webp"
).split()
HIDDEN = ".", "__MACOSX", "@eaDir", "$RECYCLE.BIN", "specc-"  # begins of names
OWN_FILES = {"resolved.json", "metrics.jsonl", "predictions.json"}  # specc's


def below(folder: Path, name: object, root: Path | None = None) -> Path:
    """Returns a path that the dataset names; it may not lead out of its folder, or of
    `root`, on any system. Unless there is such a file, a backslash parts folders, and
    spaces at its ends do not count.

    Links are followed: whoever could place one could place the file itself.
    """
    if not isinstance(name, str) or not name.strip() or "\0" in name:
        raise ValueError(f"not a file name: {name!r:.100}")
    plain = name.strip().replace("\\", "/")
    given = PureWindowsPath(plain)  # also splits off drive letters
    if given.anchor or given.drive or ".." in given.parts:
        path = Path(os.path.abspath(folder / plain))
        homes = [os.path.abspath(home) for home in (folder, root or folder)]
        known = os.name == "nt" or not given.drive
        if not (known and any(path.is_relative_to(home) for home in homes)):
            raise ValueError(f"leads out of {homes[1]}: {name!r:.100}")
        return path
    return folder / (name if plain == name or os.path.exists(folder / name) else plain)


def is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in SUFFIXES


def images_below(folder: Path, counts: Counter, wanted=is_image) -> Iterator[tuple]:
    """Returns each folder from this one down, and its images. Links are followed; what
    systems, tools and specc itself leave beside images is left out, and counted."""
    for place, folders, files in os.walk(folder, followlinks=True):
        own = place != str(folder) and OWN_FILES & set(files)
        above = map(os.path.realpath, Path(place).parents)
        if own or os.path.islink(place) and os.path.realpath(place) in above:
            what = "written by specc" if own else "links to one that they are in"
            counts[f"folders left out: {what}"] += 1
            folders.clear()
            continue
        noted(Path(place))
        files = [name for name in files if wanted(name)]
        shown = [name for name in files if not name.startswith(HIDDEN)]
        counts["hidden files left out"] += len(files) - len(shown)
        hidden = [name for name in folders if name.startswith(HIDDEN)]
        counts["hidden folders left out"] += len(hidden)
        folders[:] = sorted(set(folders) - set(hidden))
        yield Path(place), [Path(place, name) for name in sorted(shown)]


def read_json(path: Path, hook: Callable[[dict], dict] | None = None) -> object:
    """Returns the content of a file, with what `hook` makes of each object in it."""
    try:
        text = noted(path).read_text(encoding="utf-8-sig")
        return json.loads(text, object_hook=hook)
    except (OSError, ValueError, RecursionError) as error:
        raise SystemExit(f"{path}: cannot be read: {error}") from None


def read_yaml(path: Path) -> object:
    try:
        text = noted(path).read_text(encoding="utf-8-sig")
        if path.suffix == ".json":  # far faster than as YAML
            return json.loads(text)
        return yaml.load(text, SafeLoader)
    except (OSError, TypeError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise SystemExit(f"{path}: cannot be read: {error}") from None


def as_written(loader: yaml.Loader, node: yaml.Node) -> int | float | str:
    """Returns a number where Python would write it so. All else stays text, as it may
    be a name: `no`, 1e3, 0777, a date."""
    text = loader.construct_scalar(node)
    try:
        number = float(text) if "." in text else int(text)
    except ValueError:
        return text
    return number if str(number) == text else text


class SafeLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Refuses YAML bombs: nested aliases that expand to billions of values."""

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
    """Counts the values in a node after expanding aliases."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if node not in known:
        known[node] = MOST_VALUES  # the node may contain itself
        pairs = isinstance(node, yaml.MappingNode)
        parts = itertools.chain.from_iterable(node.value) if pairs else node.value
        known[node] = 1 + sum(count_values(part, known) for part in parts)
    return known[node]


def tell(where: Path, counts: Counter):
    """Prints how often each repair or omission occurred, the 20 most frequent."""
    for what, count in sorted((+counts).most_common(20)):
        say(f"{where}: {what}: {count}")
    if len(+counts) > 20:
        say(f"{where}: and {len(+counts) - 20} more such lines")


def say(line: str):
    """Prints a line on the dataset, now and whenever kept samples are loaded."""
    NOTES.append(line)
    print(line, file=sys.stderr)


def noted(path: Path) -> Path:
    """Records the state of a file or folder before it is read; returns its path."""
    SOURCES[str(path)] = state_of(path)
    return path


def state_of(path: Path) -> list[int] | str | None:
    """Returns size and time of a file, or a hash of the names in a folder, or None."""
    try:
        if path.is_dir():
            found = [
                (x.name, x.is_symlink() and os.readlink(x)) for x in os.scandir(path)
            ]
            return hashlib.sha256(os.fsencode(repr(sorted(found)))).hexdigest()
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


# ==== headers


class BrokenImage(ValueError):
    """The header of an image file cannot be read."""


def orientation_of(image: Image.Image) -> int:
    """EXIF's, 1 to 8, as OpenCV follows it: not XMP's, and not that of an AVIF."""
    if image.format == "TIFF" and image.tag_v2.get(0x0112) in range(5, 9):
        raise ValueError("a rotated TIFF, which OpenCV does not decode")
    data = b"" if image.format == "AVIF" else image.info.get("exif", b"")
    exif = Image.Exif()
    exif.load(exif_of_png(image.fp) if image.format == "PNG" else data)
    orientation = exif.get(0x0112, 1) & 0xFFFF
    return orientation if orientation in range(1, 9) else 1


def exif_of_png(file: BinaryIO) -> bytes:
    """Reads EXIF of a PNG, which may follow the pixels that Pillow would decode."""
    file.seek(8)
    while len(head := file.read(8)) == 8 and head[4:] != b"IEND":
        length = int.from_bytes(head[:4], "big")
        if head[4:] == b"eXIf":
            return file.read(min(length, 1 << 16))
        file.seek(length + 4, os.SEEK_CUR)  # skips the checksum
    return b""
