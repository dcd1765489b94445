# ==== labels


class ColoredMap(NamedTuple):
    """The map of an image, which is decoded later; its colors are pairs of a color and
    the index of its category, -1 where the job does not name it."""

    path: Path
    colors: tuple[tuple, ...]


class SegmentMap(NamedTuple):
    """The map of an image, which is decoded later."""

    path: Path  # an id in each pixel
    kinds: dict[int, int]  # the index of a segment's category by its id; -1: unknown
    turn: tuple[int, int] | None = None  # see `Frame`


# ==== parsers


def parse_map(path: Path, height: int, width: int, modes: tuple[str, ...]) -> Path:
    """Returns the file of an image's map, once its header is checked. It may have
    another size than the image, sides rounded, but not another shape."""
    try:
        with opened(path) as image:
            (columns, rows), mode = image.size, image.mode
    except FileNotFoundError:
        raise ValueError(f"its map is missing: {path}") from None
    except Exception as error:  # decoders raise many kinds of errors on broken files
        raise ValueError(f"its map is not an image: {path}: {error}") from None
    if mode not in modes:
        raise ValueError(f"its map is {mode}, not {' or '.join(modes)}: {path}")
    if abs(rows * width - columns * height) >= width + height:
        sizes = f"{columns}x{rows}, the image {width}x{height}"
        raise ValueError(f"its map has another aspect ratio: {path} is {sizes}")
    return path


def parse_segment_map(
    given: list[dict],
    folder: Path,
    known: dict[str, int],
    size: tuple[int, int],
    counts: Counter,
) -> SegmentMap:
    """Returns the file of an image's segments, its header checked, and their kinds."""
    if len(given) != 1:
        raise ValueError(f"{len(given)} annotations, not one")
    path, segments = below(folder, given[0]["file"]), given[0]["segments"]
    kinds = {
        i: known[kind] if kind is not None and is_named(kind, known, counts) else -1
        for i, kind in segments.items()
    }
    return SegmentMap(parse_map(path, *size, COLOR_MODES), kinds)


def segments_in_image(segments: SegmentMap, frame: Frame) -> SegmentMap:
    """Returns the same, to be turned as the image is shown; maps are scaled anyway."""
    return segments._replace(turn=frame.turn)
