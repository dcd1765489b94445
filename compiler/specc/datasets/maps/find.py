"""Finds images beside maps: semantic masks, depth, instance numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from os.path import abspath
from pathlib import Path
from typing import Any

from specc.datasets.files import Unlike, Unreadable, entries, read_text
from specc.datasets.found import Found
from specc.datasets.found import pair as split_names
from specc.datasets.maps.names import Names, names_beside
from specc.datasets.maps.pairs import Pair, pairs_in
from specc.datasets.maps.numbers import depths, numbers, unread_arrays
from specc.datasets.maps.pixels import Seen, look
from specc.words import number_of

Options = tuple[dict, tuple[str, ...]]
BLURRED = 8  # fewest values of blurred edges
EDGES = 0.2  # largest share of pixels at edges
MOST_CATEGORIES = 256  # maps with more values are of numbers or depths
VOID = re.compile(
    r"void|ignored?|__ignore__|un(label)l?ed|ignore region|don'?t ?care|unknown"
)
OF_OBJECTS = "SegmentationObject"  # folder of VOC, beside that of categories
SETS = ("train", "validation", "test")
BINARY = ["background", "foreground"]


def find(folder: Path) -> Iterator[Found]:
    """Yields the datasets of images with a map each. Raises Unreadable where maps are
    no such maps."""
    if not folder.is_dir():
        return
    faults: list[Unreadable] = []
    found, told = pairs_in(folder)
    training = found.get("train") or found.get(None) or []
    # COCO's segments are in a folder of the file's name.
    training = [x for x in training if not _beside_json(folder / x.maps.path)]
    own = [x for x in training if x.maps.path.name != OF_OBJECTS]
    training = own or training
    for pair in training:
        sets = _lists(folder, pair) if pair.images.kind is None else {}
        others = [] if sets else _others(pair, found)
        notes = [x for x in (told, _unread(pair, others, found)) if x]
        try:
            for one in _of_pair(folder, pair, others, len(training) > 1, sets):
                yield replace(one, notes=(*one.notes, *notes))
        except Unreadable as error:
            faults.append(error)
    faults += [Unlike(f"{told}: name a folder in it")] if told else []
    for error in faults:
        raise error


def are_in(folder: Path) -> bool:
    """Returns whether a folder has images and maps of them, which are no classes."""
    return folder.is_dir() and any(pairs_in(folder)[0].values())


def _lists(folder: Path, pair: Pair) -> dict[str, Path]:
    """Returns the lists of VOC that name images of a pair: train and, if they are
    there, validation and test."""
    files = entries(folder / "ImageSets" / "Segmentation")
    splits = {path.stem: path for path in files if path.suffix.lower() == ".txt"}
    known = {Path(image).with_suffix("").as_posix() for image, _ in pair.names}
    found = {}
    for key, name in zip(SETS, split_names(list(splits))):
        if name and known & {*read_text(splits[name]).split()}:
            found[key] = splits[name]
    return found if "train" in found else {}


def _beside_json(maps: Path) -> bool:
    return Path(f"{abspath(maps)}.json").is_file()  # `.` alone has no name


def _others(pair: Pair, found: dict) -> list[Pair]:
    """Returns the pair that validates a pair, and that to test on, if they are there.
    Where there is no other, the set to test on validates."""
    alike = (
        [other for other in found.get(kind, ()) if _alike(pair, other)][:1]
        for kind in ("val", "test")
    )
    return [other for others in alike for other in others]


def _unread(pair: Pair, others: list[Pair], found: dict) -> str:
    """Returns text on further folders of the sets beside a pair; "" without such."""
    chosen = {one.images.path for one in (pair, *others)}
    rest = [
        one.images.path.as_posix()
        for kind in ("val", "test")
        for one in found.get(kind, ())
        if _alike(pair, one) and one.images.path not in chosen
    ]
    return f"also named as a set, and not read: {', '.join(rest)}" if rest else ""


def _alike(one: Pair, other: Pair) -> bool:
    same_maps = one.maps.pattern == other.maps.pattern or one.maps is other.maps
    return one.ends == other.ends and same_maps


def _of_pair(
    folder: Path,
    pair: Pair,
    others: list[Pair],
    several: bool,
    lists: dict[str, Path] | None = None,
) -> Iterator[Found]:
    """Yields what can be learned from the maps of a pair."""
    sets = dict(zip(SETS, [pair, *others]))
    named = sets.values()
    maps = [folder / one.maps.path / name for one in named for _, name in one.names]
    layout = {
        f"{kind}_labels": (folder / one.maps.path).as_posix()
        for kind, one in sets.items()
    }
    where = {
        "format": "maps",
        "validation": None,
        **{kind: folder / one.images.path for kind, one in sets.items()},
        "images": tuple(folder / pair.images.path / image for image, _ in pair.names),
        "labels": pair.maps.path.as_posix() if several else "",
        "layout": layout | pair.endings,
    }
    if lists:
        folders = {"images": where["train"], "labels": folder / pair.maps.path}
        layout = {
            f"{kind}_{what}": place.as_posix()
            for what, place in folders.items()
            for kind in lists
        }
        where |= {"validation": None, "layout": layout | pair.endings} | lists
    faults, yielded = [], False
    seen = look(maps)
    kinds = {
        "semantic_segmentation": lambda: _semantic(
            folder, folder / pair.maps.path, seen
        ),
        "depth_estimation": lambda: depths(maps, seen),
        "instance_segmentation": lambda: numbers(maps, seen),
    }
    for task, options_of in kinds.items():
        try:
            if found := options_of():
                yield Found(task=task, options=found[0], notes=found[1], **where)
                yielded = True
        except Unreadable as error:
            faults.append(error)
    if not yielded and not faults and maps[0].suffix.lower() == ".npy":
        faults.append(unread_arrays(maps[0], False))
    if not (yielded or faults):
        faults.append(Unlike(f"{maps[0]}: its pixels cannot be read"))
    for error in faults:
        raise error


# ---- Categories ----


def _semantic(folder: Path, maps: Path, seen: Seen) -> Options | None:
    """Returns the options of a head that learns the categories of maps, and lines that
    say what they rest on; None where no pixels can be categories. Raises
    Unreadable."""
    if seen.modes.keys() & {"F", "I"} or not seen.colors:
        return None
    if seen.most > MOST_CATEGORIES:
        raise Unlike(f"{maps}: a map with {seen.most} values or colors, no categories")
    names = names_beside(folder, maps)
    if _told_by_values(seen, names):
        return _by_values(seen, names)
    return _by_colors(seen, names)


def _told_by_values(seen: Seen, names: Names | None) -> bool:
    """Returns whether gray values or indices tell the categories, not colors."""
    if seen.modes.keys() - {"1", "L", "P", "I;16"} or seen.palettes_differ:
        return False
    if seen.values.keys() == {"L", "P"}:
        grays = all(color == (value,) * 3 for value, color in seen.palette.items())
        return grays or {*seen.values["L"]} == {*seen.values["P"]}
    gray = {(value,) * 3 for value in seen.values.get("L", ())}
    painted = bool(names and names.colors) and gray <= {*names.colors.values()}
    return not painted or "P" in seen.values


def _by_values(seen: Seen, names: Names | None) -> tuple[dict, tuple[str, ...]]:
    places = {v: place for kind in seen.values.values() for v, place in kind.items()}
    values = sorted(places)
    _refuse_lossy(seen, values, places)
    if names is None:
        _refuse_blurred(seen, values, places)
    told, ignored = [], []
    if names and names.colors and seen.palette:
        numbers = {color: name for name, color in names.colors.items()}
        known = {v: numbers[c] for v, c in seen.palette.items() if c in numbers}
        order = list(names.colors)
        known |= {
            v: name
            for v, name in enumerate(order)
            if name not in known.values() and v not in known
        }
    elif names and names.numbers:
        known = dict(names.numbers)
    elif names:
        known = dict(enumerate(names.listed))
        known = _shifted(known, values)
    else:
        known, ignored = _unnamed(values)
    void = [v for v, name in known.items() if VOID.fullmatch(name.lower())]
    ignored += void
    categories = {v: known[v] for v in sorted(known) if v not in void}
    for value in values:
        if value in categories or value in ignored:
            continue
        if value == 255:
            ignored.append(value)
        elif value == 0:
            categories = {0: "background"} | categories
            told.append("0 is in the maps and has no name: taken for `background`")
        else:
            file, x, y = places[value]
            what = f"has the value {value} at x {x}, y {y}"
            raise Unreadable(f"{file}: {what}, which {names and names.path} lacks")
    if len(categories) > MOST_CATEGORIES:
        most = f"{len(categories)} values in the maps, as {places[values[-1]][0]}"
        raise Unlike(f"{most}: numbers of instances, or depths, are no categories")
    told += [] if names else ["no file names the categories: their names are numbered"]
    options = {"categories": list(categories.values()), "values": list(categories)}
    options |= {"ignored": sorted(set(ignored))} if ignored else {}
    return options, tuple(told)


def _unnamed(values: list[int]) -> tuple[dict[int, str], list[int]]:
    """Returns names of values that no file names, and those to ignore."""
    ignored = []
    rest = [value for value in values if value != 255]
    if 255 in values and len(rest) > 1 and _is_apart(rest):
        ignored, values = [255], rest
    if len(values) == 2 and values[0] == 0 and values[1] in (1, 255):
        return dict(zip(values, BINARY)), ignored
    return {value: f"class_{value}" for value in values}, ignored


def _is_apart(rest: list[int]) -> bool:
    """Returns whether 255 is no further category behind these values: they are indices,
    not grays that part the range."""
    dense = 2 * len(rest) > max(rest)
    return (dense or 255 - max(rest) > 2 * max(rest)) and max(rest) < 254


def _shifted(known: dict[int, str], values: list[int]) -> dict[int, str]:
    """Returns names that a file lists without numbers: from 0 on, from 1 on where the
    values need it, or those of black and white."""
    count = len(known)
    if set(values) <= {0, 255} and 255 in values and count <= 2:
        names = [BINARY[0], *known.values()][-2:]
        return dict(zip((0, 255), names))
    if count in values and max(v for v in values if v != 255) == count:
        return {value + 1: name for value, name in known.items()}
    return known


def _by_colors(seen: Seen, names: Names | None) -> tuple[dict, tuple[str, ...]]:
    colors = sorted(seen.colors)
    _refuse_lossy(seen, colors, seen.colors)
    if names is None and all(len({*color}) == 1 for color in colors):
        grays = {color[0]: place for color, place in seen.colors.items()}
        _refuse_blurred(seen, sorted(grays), grays)
    told: tuple[str, ...] = ()
    if names and names.colors:
        for color in colors:
            if color not in names.colors.values():
                file, x, y = seen.colors[color]
                what = f"has the color {list(color)} at x {x}, y {y}"
                raise Unreadable(f"{file}: {what}, which {names.path} lacks")
        known = names.colors
    else:
        if len(colors) > MOST_CATEGORIES:
            file = seen.colors[colors[-1]][0]
            raise Unlike(f"{file}: {len(colors)} colors in the maps, too many to learn")
        labels = [f"class_{i}" for i in range(len(colors))]
        if set(colors) == {(0, 0, 0), (255, 255, 255)}:
            labels = BINARY
        known = dict(zip(labels, colors))
        told = ("no file names the colors: their names are numbered",)
    void = {name for name in known if VOID.fullmatch(name.lower())}
    kept = {name: list(color) for name, color in known.items() if name not in void}
    options: dict[str, Any] = {"categories": [*kept], "colors": [*kept.values()]}
    options |= {"ignored": [list(known[x]) for x in known if x in void]} if void else {}
    return options, told


def _refuse_lossy(seen: Seen, values: list, places: dict) -> None:
    """Raises Unreadable where compression has blurred the values of maps."""
    if not seen.formats.keys() & {"JPEG", "WEBP", "MPO"} or len(values) < 3:
        return
    odd = next((v for v in values if v not in (0, 255)), values[0])
    file, x, y = places[odd]
    what = f"a value of {odd} at x {x}, y {y}, one of {len(values)}"
    raise Unreadable(
        f"{file}: {what}: JPEG blurs the edges of maps; export them as PNG"
    )


def _refuse_blurred(seen: Seen, values: list[int], places: dict) -> None:
    """Raises Unreadable where maps of black and white have other values at the edges
    alone: a filter has resized them. Grays of categories are few, or lie evenly."""
    between = [value for value in values if 0 < value < 255]
    if not {0, 255} <= {*values} or len(between) < BLURRED or "P" in seen.values:
        return
    steps = {one - other for one, other in zip(values[1:], values)}
    ends = min(seen.pixels[0], seen.pixels[255])
    share = sum(seen.pixels[x] for x in between) / sum(seen.pixels[x] for x in values)
    if len(steps) == 1 or share > EDGES or any(seen.pixels[x] > ends for x in between):
        return
    file, x, y = places[between[0]]
    values = number_of(len(between), "value")
    what = f"{values} beside 0 and 255, as {between[0]} at x {x}, y {y}"
    why = f"in {share:.1%} of the pixels: edges that a filter has blurred"
    raise Unreadable(f"{file}: {what}, {why}; set them to 0 and 255")
