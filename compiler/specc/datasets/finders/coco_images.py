"""Finds the folders in which the images of COCO's files stand."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PureWindowsPath
from unicodedata import normalize

from specc.datasets.finders.coco_files import CocoFile, role_of
from specc.datasets.files import (
    Unplaced,
    Unreadable,
    entries,
    folders_in,
    loose,
    opened,
    spread,
)
from specc.datasets.parts import images_in, reader
from specc.datasets.ways import Way
from specc.words import number_of

TRIED = 20  # most names that are looked for in a folder
FOLDERS = 300  # most folders that are looked in
LEVELS = 2  # levels of folders that are searched below one
SHOWN = 4  # most folders that a message names


@dataclass(frozen=True)
class Place:
    """The folder with the images of a file, and the way in which its names lead
    there."""

    folder: Path
    named: bool = False  # whether the job has to name it
    prefix: str | None = None
    file_names: str | None = None
    segments: Path | None = None  # folder of PNGs, if the job names it
    twin: Path | None = None  # another folder with all of these names

    def file_name(self, name: str) -> str:
        """Returns the path of an image from the folder, as the emitted reader has it."""
        return Way(self.prefix, self.file_names).plain(name)

    def path(self, name: str) -> Path | None:
        """Returns the path of an image; None where the reader refuses the name."""
        try:
            return reader().below(self.folder, self.file_name(name), Path())
        except Unreadable:
            return None

    def images(self, names: tuple[str, ...]) -> tuple[Path, ...]:
        return tuple(filter(None, map(self.path, names)))

    def missing(self, names: tuple[str, ...]) -> list[str]:
        """Returns lines on another folder with these images, and on the images that are
        not there, if some are not."""
        lines = []
        if self.twin:
            what = (
                f"images of these names are in {self.folder}, and in {self.twin}, too"
            )
            lines = [f"{what}: `train_images` in `layout` says which are meant"]
        gone = [name for name in names if not self.count([name])]
        if not gone:
            return lines
        are = "is" if len(gone) == 1 else "are"
        images = number_of(len(names), "image")
        what = f"{len(gone)} of {images} {are} not in {self.folder}"
        return [*lines, f"{what}, as {gone[0]:.100}: training refuses to begin"]

    def count(self, names: list[str]) -> int:
        """Returns how many of the names lead to a file."""
        paths = map(self.path, names)
        return sum(path is not None and os.path.isfile(path) for path in paths)


def located(
    files: list[CocoFile], top: Path, function: str, segments: bool
) -> tuple[dict[Path, Place], str]:
    """Returns where the images of each file stand, and a note on a file whose images
    are nowhere. Raises Unreadable if that is the first, which is for training.

    `function` of the reader names the folder where the format has them; with
    `segments`, PNGs are looked for too.
    """
    default = getattr(reader(), function)
    masks = {x.path: _segments(x, top) for x in files} if segments else {}
    folders = {
        x.path: [f for f in _folders(x, top) if f not in masks.values()] for x in files
    }
    best: dict[Path, Place] = {}
    for prefix, form in _ways(files):
        places = {}
        for file in files:
            place = Place(default(file.path), False, prefix, form)
            if found := _best(file, place, folders[file.path]):
                places[file.path] = found
        if files[0].path in places and len(places) > len(best):
            best = places
        if len(best) == len(files):
            break
    missing = [file for file in files if file.path not in best]
    if files[0] in missing:
        raise _unplaced(files[0], top)
    for path, folder in masks.items():
        if path in best and folder != path.with_suffix(""):
            best[path] = replace(best[path], segments=folder)
    note = f"{missing[0].path}: its images are not there" if missing else ""
    return best, note


def _ways(files: list[CocoFile]) -> Iterator[tuple[str | None, str | None]]:
    """Yields prefix and form of file names, the plainest first."""
    names = [name for file in files for name in file.names]
    yield None, None
    for form in (None, "decoded"):
        if form and not any("%" in name for name in names):
            continue
        if form:
            yield None, form
        yield from (
            (prefix, form)
            for prefix in _prefixes(names, Place(Path(), file_names=form))
        )
    for form in ("last_part", "decoded_last_part"):
        known = {Place(Path(), file_names=form).file_name(name) for name in names}
        if len(known) == len(set(names)):  # no two images may become one
            yield None, form


def _prefixes(names: list[str], place: Place) -> Iterator[str]:
    """Yields what all names begin with, up to a separator, the longest first."""
    common = os.path.commonprefix([place.file_name(name) for name in names[:100_000]])
    for end in range(len(common), 0, -1):
        if common[end - 1] in "/\\=":
            yield common[:end]


def _best(file: CocoFile, place: Place, folders: list[Path]) -> Place | None:
    """Returns the place with the most images of a file: the format's own, if it has all
    that are anywhere."""
    names = spread([*file.names], TRIED)
    best, most = None, 0
    own = place.folder
    for folder in (own, *folders):
        tried = Place(folder, folder != own, place.prefix, place.file_names)
        if (count := tried.count(names)) > most:
            best, most = tried, count
        if most == len(names):
            break
    if best and best.named and most == len(names):
        return replace(best, twin=_twin(best, names, folders))
    return best


def _twin(best: Place, names: list[str], folders: list[Path]) -> Path | None:
    """Returns a further folder that holds all images, other files than the first's."""
    for folder in folders[folders.index(best.folder) + 1 :]:
        other = replace(best, folder=folder)
        if other.count(names[:1]) and other.count(names) == len(names):
            pairs = zip(best.images(tuple(names)), other.images(tuple(names)))
            if not any(os.path.samefile(*pair) for pair in pairs):
                return folder
    return None


def _folders(file: CocoFile, top: Path) -> Iterator[Path]:
    """Yields the folders in which the images of a file may stand, the likeliest first;
    none that is called as another set."""
    above = [
        folder for folder in file.path.parents if folder == top or top in folder.parents
    ]
    bases = dict.fromkeys((*above, top, _above(top)))
    found = {x: None for base in bases for x in _below(base, LEVELS)}

    def unlikeness(folder: Path) -> tuple:
        name = folder.name.lower()
        return name not in file.path.stem.lower(), role_of(name) != file.role

    for folder in sorted([*found][:FOLDERS], key=unlikeness):
        parts = folder.parts[-LEVELS - 1 :]
        roles = {role_of(part) for part in parts} - {""}
        if not (file.role and roles and file.role not in roles):
            yield folder


def _above(top: Path) -> Path:
    """Returns the folder above one that is called as those of annotations are, else the
    same."""
    return top.parent if top.name.lower() in ("annotations", "labels") else top


def _below(folder: Path, levels: int) -> Iterator[Path]:
    """Yields a folder and those below it, level by level."""
    places = [folder]
    for _ in range(levels + 1):
        yield from places
        places = [inner for place in places for inner in folders_in(place)][:FOLDERS]


def _segments(file: CocoFile, top: Path) -> Path:
    """Returns the folder of a file's PNGs. Raises Unreadable."""
    own = file.path.with_suffix("")
    folders = sorted(_folders(file, top), key=lambda folder: folder.name != own.name)
    for folder in (own, *folders):
        if file.segments and _holds_segments(
            Place(folder).path(file.segments[0]), file
        ):
            return folder
    name = file.segments[0] if file.segments else ""
    what = f"the PNGs of its segments, as `{name:.100}`, are not in {own}"
    raise _unpacked(f"{file.path}: {what}", file, top)


def _holds_segments(path: Path | None, file: CocoFile) -> bool:
    """Returns whether an image holds the first segments of a file, and nothing else: an
    image that is shown may have the same name."""
    import numpy as np

    if path is None:
        return False
    try:
        with opened(path) as image:
            pixels = np.asarray(image.convert("RGB"), np.int64)
    except Exception:  # a broken file can raise any exception
        return False
    return {*np.unique(pixels @ [1, 1 << 8, 1 << 16]).tolist()} <= {0, *file.ids}


def _unplaced(file: CocoFile, top: Path) -> Unreadable:
    if not file.names:
        return Unreadable(f"{file.path}: it lists no image")
    looked = [*dict.fromkeys(map(str, _folders(file, top)))]
    more = (
        f" and {number_of(len(looked) - SHOWN, 'more folder')}"
        if looked[SHOWN:]
        else ""
    )
    where = f"{', '.join(looked[:SHOWN])}{more}"
    images = number_of(len(file.names), "image")
    what = f"none of its {images}, as `{file.names[0]:.100}`, is in {where}"
    if alike := _alike(file, top):
        return Unplaced(f"{file.path}: {what}; {alike}", "give both the same names")
    return _unpacked(f"{file.path}: {what}", file, top)


def _alike(file: CocoFile, top: Path) -> str:
    """Returns text on an image whose name differs from a listed one in its suffix, in
    case or in the form of its letters alone; "" without such."""
    names = {loose(PureWindowsPath(name).name): name for name in file.names}
    for folder in _folders(file, top):
        for image in images_in(folder):
            if listed := names.get(loose(image.name)):
                forms = normalize("NFC", image.name), normalize("NFC", listed)
                same = forms[0] == PureWindowsPath(forms[1]).name
                why = " in other code points (NFD, NFC)" if same else ""
                return f"`{image.name}` of {folder} may be `{listed:.100}`{why}"
    return ""


def _unpacked(what: str, file: CocoFile, top: Path) -> Unreadable:
    """Returns the error, with an archive that is not unpacked, if there is one."""
    bases = dict.fromkeys((file.path.parent, file.base, top, _above(top)))
    archives = [
        x for base in bases for x in entries(base) if x.suffix.lower() == ".zip"
    ]
    fitting = [x for x in archives if role_of(x.stem) in ("", file.role)]
    if fitting:
        [first, *_] = fitting
        note = f"{what}; {first} is not unpacked"
        return Unplaced(note, f"unzip {first} -d {first.parent}")
    help = f"put the images into {file.path.with_suffix('')}, or name the folder that holds them and {file.path.name} by --data"
    return Unplaced(what, help)
