"""Pairs folders of images with folders of their maps, by names and by a look at some
files."""

from __future__ import annotations

import itertools
import os
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from specc.datasets.files import spread
from specc.datasets.parts import reader
from specc.datasets.maps.pixels import ARRAYS, looks_like_maps

DEEPEST = 5  # folders below the dataset's in which images are looked for
MOST_FILES = 400_000
UNNAMED_ROOTS = 6  # most folders whose names need not say which holds maps
MOST_ROOTS = 24  # most folders of a set that are compared with one another
TRIED = 40  # maps whose names are compared with those of images
SETS = {  # kind of a set -> words in the names of its folders
    "train": ("train", "training", "trainval"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
MAP_WORDS = (
    r"masks?|labels?|lbl|labelids|labeltrainids|annot(?:ation)?s?|anno?s?|annots?|gts?|gtfine"
    r"|gtcoarse|ground|groundtruths?|truths?|segm?(?:entation)?s?|segmentationclass"
    r"|segmentationobject|segmentationclassaug|targets?|trimaps?|depths?|disparity|y"
    r"|instances?|instanceids|parsing|mattes?|bin|l|p|manual|pixels|colou?r"
)
OTHER_MAPS = r"colou?r|instanceids|polygons|rgb|vis(?:ualization)?|overlay|preview"
LOSSY = (".jpg", ".jpeg", ".jfif", ".webp", ".avif", ".jp2")
BEGINS = (  # words before a number, as in image_1; or the first word, as in im_a7
    re.compile(r"(?:[A-Za-z]+[-_. ]*)+(?=\d)"),
    re.compile(r"[A-Za-z]+[-_. ]+(?=.)"),
)


@dataclass(frozen=True)
class Root:
    """A folder, and the files below it by their paths from it."""

    path: PurePosixPath  # from the folder of the dataset
    files: tuple[str, ...]

    @property
    def kind(self) -> str | None:
        """The set that it is of, by its name and those of the folders above it."""
        for part in reversed(self.path.parts):
            for kind in SETS:
                if words_of_set(kind).search(part.lower()):
                    return kind
        return None

    @property
    def pattern(self) -> str:
        """Its path with a star for the name of the set."""
        path = self.path.as_posix().lower()
        for kind in SETS:
            path = words_of_set(kind).sub(r"\1*\3", path)
        return path

    @cached_property
    def stems(self) -> dict[str, str]:
        return {os.path.splitext(name)[0]: name for name in self.files}

    @cached_property
    def order(self) -> list[str]:
        return sorted(self.stems)

    @cached_property
    def begins(self) -> dict[str, set[str]]:
        """The beginnings of names, by their stems without them."""
        found: dict[str, set[str]] = {}
        for stem in self.stems:
            for begin, rest in [("", stem), *parts_of(stem)]:
                found.setdefault(rest, set()).add(begin)
        return found

    def without(self, begin: str) -> dict[str, str]:
        """Returns the files whose names begin so, by their stems without it."""
        found = {}
        for stem, name in self.stems.items():
            folder, last = os.path.split(stem)
            if last.startswith(begin):
                found[os.path.join(folder, last.removeprefix(begin))] = name
        return found


def parts_of(stem: str) -> Iterator[tuple[str, str]]:
    """Yields words that a name begins with, and its stem without them."""
    folder, name = os.path.split(stem)
    for pattern in BEGINS:
        if found := pattern.match(name):
            yield found[0], os.path.join(folder, name[found.end() :])


@dataclass(frozen=True)
class Pair:
    """A folder of images, and one of maps; the ends of their stems after what both
    have in common."""

    images: Root
    maps: Root
    image_end: str
    map_end: str
    # Suffixes of files, or the beginnings of their names, where these tell both apart
    suffixes: tuple[str, str] | None = None
    begins: tuple[str, str] = ("", "")

    @property
    def ends(self) -> tuple:
        """The parts of names by which images and maps differ."""
        return self.image_end, self.map_end, self.suffixes, self.begins

    @cached_property
    def names(self) -> list[tuple[str, str]]:
        """The files of an image and of its map, by name."""
        if self.suffixes:
            image, label = self.suffixes
            stems = [
                x.removesuffix(label) for x in self.maps.files if x.endswith(label)
            ]
            known = {*self.images.files}
            return [(x + image, x + label) for x in stems if x + image in known]
        if any(self.begins):
            images, maps = map(Root.without, (self.images, self.maps), self.begins)
            taken = {self.maps.path / name for name in maps.values()}
            return sorted(
                (name, maps[key])
                for key, name in images.items()
                if key in maps
                and reader().is_image(name)
                and self.images.path / name not in taken
            )
        maps = {
            stem.removesuffix(self.map_end): name
            for stem, name in self.maps.stems.items()
            if stem.endswith(self.map_end)
        }
        taken = {self.maps.path / name for name in maps.values()}
        found = []
        for name in self.images.files:
            stem = os.path.splitext(name)[0]
            key = stem.removesuffix(self.image_end)
            own = self.images.path / name
            image = reader().is_image(name) and own not in taken
            if image and stem.endswith(self.image_end) and key in maps:
                found.append((name, maps[key]))
        return sorted(found)

    @property
    def weight(self) -> tuple[int, int]:
        """The number of images, and that of the names that both paths share."""
        shared = {*self.images.path.parts} & {*self.maps.path.parts}
        return len(self.names), len(shared)

    @property
    def pattern(self) -> tuple:
        return self.images.pattern, self.maps.pattern, *self.ends

    @property
    def endings(self) -> dict[str, str]:
        """The options of a layout that say how file names begin and end."""
        keys = "image_beginning", "label_beginning"
        found = {key: begin for key, begin in zip(keys, self.begins) if begin}
        for place, key in enumerate(("image_ending", "label_ending")):
            end = (self.image_end, self.map_end)[place]
            files = [names[place] for names in self.names]
            suffixes = Counter(os.path.splitext(name)[1] for name in files)
            if end or self.suffixes or not all(map(reader().is_image, files)):
                found[key] = end + suffixes.most_common(1)[0][0]
        return found


def words_of_set(kind: str) -> re.Pattern:
    words = "|".join(sorted(SETS[kind], key=len, reverse=True))
    after = rf"(?=[^a-z]|$|(?:{MAP_WORDS}|images?|imgs?|x)(?:[^a-z]|$))"
    return re.compile(rf"(^|[^a-z])({words})({after})")


def is_word_of_maps(text: str) -> bool:
    """Returns whether a part of a path or the end of a stem says that it is of
    maps."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", text).lower()
    for kind in SETS:
        words = words_of_set(kind).sub(r"\1 ", words)
    every = {*re.split(r"[^a-z]+", words), *re.split(r"[^a-z]+", text.lower())}
    return any(re.fullmatch(MAP_WORDS, word) for word in every if word)


def roots_in(folder: Path) -> tuple[list[Root], str]:
    """Returns the folders, this one first, with the images and arrays below each; and
    text on those that are too many to be looked at."""
    files: dict[PurePosixPath, list[str]] = {}
    count, told = 0, ""
    for place, folders, names in os.walk(folder, followlinks=True):
        here = PurePosixPath(Path(place).relative_to(folder).as_posix())
        hidden = reader().HIDDEN
        folders[:] = sorted(x for x in folders if not x.startswith(hidden))
        if len(here.parts) >= DEEPEST:
            folders.clear()
        own = {*names} & reader().OWN_FILES
        kept = [
            name
            for name in sorted(names)
            if (reader().is_image(name) or name.lower().endswith(ARRAYS))
            and not name.startswith(hidden)
        ]
        count += len(kept)
        if count > MOST_FILES:
            told = told or (
                f"{folder}: of more than {MOST_FILES:,} images and maps those from"
                f" {place} on were not looked at"
            )
        if own or told:
            folders.clear()
            continue
        for above in (here, *here.parents):
            below = here.relative_to(above)
            files.setdefault(above, []).extend((below / x).as_posix() for x in kept)
    order = sorted(files, key=lambda path: (len(path.parts), path))
    return [Root(path, tuple(files[path])) for path in order if files[path]], told


def pairs_in(folder: Path) -> tuple[dict[str | None, list[Pair]], str]:
    """Returns the pairs of folders by the set that they are of, those of no set where
    no set is to train on; and text on folders that were not looked at."""
    by_kind: dict[str | None, list[Root]] = {}
    roots, told = roots_in(folder)
    for root in roots:
        by_kind.setdefault(root.kind, []).append(root)
    found = {
        kind: list(_pairs(folder, roots, by_kind.get(None, ())))
        for kind, roots in by_kind.items()
        if kind is not None
    }
    if not found.get("train"):
        found[None] = list(_pairs(folder, by_kind.get(None, []), ()))
    return found, told


def _pairs(folder: Path, roots: list[Root], shared: list[Root] | tuple) -> Iterator:
    """Yields the pair of each folder of maps: that with the most images, of several
    that whose paths are most alike. Maps of all sets may be in one folder, `shared`."""
    chosen: dict[tuple, Pair] = {}
    roots = roots[:MOST_ROOTS]
    for maps in roots:
        for images in roots:
            if pair := _pair(folder, images, maps, len(roots) > UNNAMED_ROOTS):
                key = maps.path
                if key not in chosen or pair.weight > chosen[key].weight:
                    chosen[key] = pair
    if not chosen:
        for maps in shared[:MOST_ROOTS]:
            for images in roots:
                if pair := _pair(folder, images, maps, True):
                    chosen.setdefault(images.path, pair)
    yield from _outermost(list(chosen.values()))


def _outermost(pairs: list[Pair]) -> list[Pair]:
    """Returns the pairs whose files are not all in one of another pair."""
    kept: list[tuple[Pair, set]] = []
    for pair in sorted(pairs, key=lambda pair: -len(pair.names)):
        files = {
            (pair.images.path / image, pair.maps.path / name)
            for image, name in pair.names
        }
        if not any(files <= others for _, others in kept):
            kept.append((pair, files))
    return [pair for pair, _ in kept]


def _pair(folder: Path, images: Root, maps: Root, by_name: bool) -> Pair | None:
    """Returns the pair of two folders, if the second one holds maps of the images in
    the first; with `by_name` only if names say so."""
    for pair in itertools.chain(
        _twins(images, maps), _likely(images, maps), _begun(images, maps)
    ):
        few = min(len(images.files), len(maps.files))
        if images is maps:
            few //= 2
        elif len(maps.files) > 2 * len(images.files):  # several maps of an image
            few = len(images.files)
        named = by_name or any(pair.begins)
        if len(pair.names) < max(1, few / 2) or not _is_named(pair, folder, named):
            continue
        return pair
    return None


def _twins(images: Root, maps: Root) -> Iterator[Pair]:
    """Yields a pair of one folder in which suffixes tell images and maps apart."""
    if images is maps:
        suffixes = {os.path.splitext(name)[1] for name in images.files}
        photos = sorted(x for x in suffixes if x.lower() in LOSSY)
        for other in sorted(suffixes.difference(photos)):
            yield from (Pair(images, maps, "", "", (x, other)) for x in photos)


def _likely(images: Root, maps: Root) -> Iterator[Pair]:
    return (Pair(images, maps, *ends) for ends in _ends(images, maps))


def _begun(images: Root, maps: Root) -> Iterator[Pair]:
    """Yields the likely pairs whose names begin otherwise, the likeliest first."""
    votes: Counter = Counter()
    for stem in spread(maps.order, TRIED):
        for begin, rest in parts_of(stem):
            others = images.begins.get(rest, set()) - {begin}
            votes.update((other, begin) for other in others)
    order = sorted(votes, key=lambda begins: (-votes[begins], begins))
    yield from (Pair(images, maps, "", "", begins=begins) for begins in order[:4])


def _ends(images: Root, maps: Root) -> list[tuple[str, str]]:
    """Returns the likely ends of stems of images and of maps, the likeliest first."""
    votes: Counter = Counter()
    for stem in spread(maps.order, TRIED):
        votes.update(_ends_of(images, maps, stem))

    def rank(ends: tuple[str, str]) -> tuple:
        end = ends[1].lower()
        other = bool(re.search(rf"(?:^|[^a-z])(?:{OTHER_MAPS})$", end))
        return other, "trainids" not in end, -votes[ends], ends

    most = max(votes.values(), default=0)
    return sorted((x for x, n in votes.items() if 2 * n >= most), key=rank)[:6]


def _ends_of(images: Root, maps: Root, stem: str) -> Iterator[tuple[str, str]]:
    """Yields the ends that the stem of a map and of an image leave."""
    if stem in images.stems and (images is not maps):
        yield "", ""
        return
    for length in range(len(stem) - 1, 0, -1):
        head, end = stem[:length], stem[length:]
        if head in images.stems and not end[0].isalnum():
            yield "", end
            return
    place = bisect_left(images.order, stem)
    best = ("", "", "")
    for other in images.order[max(0, place - 1) : place + 2]:
        if images is maps and other == stem:
            continue
        common = os.path.commonprefix([stem, other])
        if common not in (stem, other):
            common = re.match(r"(?:.*(?=[^A-Za-z0-9/]))?", common)[0]
        common = common.rstrip("_-. ")
        if len(common) > len(best[0]) and not common.endswith("/"):
            best = common, other[len(common) :], stem[len(common) :]
    if best[0]:
        yield best[1:]


def _is_named(pair: Pair, folder: Path, by_name: bool) -> bool:
    """Returns whether names and pixels say which of the two are maps."""
    own = [*pair.maps.path.parts, pair.map_end, pair.begins[1]]
    other = [*pair.images.path.parts, pair.image_end, pair.begins[0]]
    told = any(is_word_of_maps(x) for x in own if x not in other)
    untold = any(is_word_of_maps(x) for x in other if x not in own)
    named = told and not untold
    if untold and not told or by_name and not named:
        return False
    some = spread(pair.names, 4)
    return looks_like_maps(
        [folder / pair.images.path / image for image, _ in some],
        [folder / pair.maps.path / name for _, name in some],
        named,
    )
