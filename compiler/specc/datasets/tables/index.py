"""The images below a folder, as the cells of tables name them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from specc.datasets.files import loose
from specc.datasets.found import TRAIN, VALIDATION
from specc.datasets.parts import reader


@dataclass(frozen=True)
class Index:
    """The images below a folder, by their names and by these without suffix."""

    folder: Path

    @cached_property
    def files(self) -> set[Path]:
        found = reader().images_below(self.folder, Counter())
        return {path for _, images in found for path in images}

    @cached_property
    def by_name(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = defaultdict(list)
        for path in sorted(self.files):
            found[path.name].append(path)
            found[path.stem].append(path)
        return found

    @cached_property
    def by_loose_name(self) -> dict[str, Path]:
        return {loose(path.name): path for path in sorted(self.files)}

    def places(self, cell: str) -> list[tuple[Path, str]]:
        """Returns each folder from which a cell names an image, and the suffix that
        the cell lacks."""
        parts = parts_of(cell)
        found = []
        for path in self.by_name.get(parts[-1], ()) if parts else ():
            own = (*parts[:-1], path.name)
            if path.parts[-len(own) :] == own:
                place = path.parents[len(own) - 1]
                found.append((place, path.name.removeprefix(parts[-1])))
        return found

    def order(self, named: Sequence[str]) -> Callable[[tuple[Path, str]], tuple]:
        """Returns the key by which a folder and a suffix sort that are likely those of
        a table: a folder that is called as the set of the table first, where several
        folders hold images of these names; then the folder of the table. `named` are
        the folders and the name of the table, or the name of its set."""
        own, beside = _sets_named(named), self.folder.joinpath(*named).parent

        def key(at: tuple[Path, str]) -> tuple:
            place, suffix = at
            inside = place == self.folder or self.folder in place.parents
            theirs = _sets_named(place.relative_to(self.folder).parts if inside else ())
            likes = 2 * (own == theirs) + (not theirs)
            return suffix != "", -likes, place != beside, len(place.parts), *at

        return key


def parts_of(cell: str) -> tuple[str, ...]:
    """Returns the folders and the name in a path."""
    return tuple(part for part in re.split(r"[/\\]", cell) if part not in ("", "."))


def _sets_named(parts: Sequence[str]) -> set[bool]:
    """Returns whether the parts of a path name a set for training, or another one, or
    both."""
    words = re.split("[^a-z]+", "/".join(parts).lower())
    return {names is TRAIN for names in (TRAIN, VALIDATION) if {*names} & {*words}}
