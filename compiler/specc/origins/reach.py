"""The reach of fields: the words of a render that other values of a field change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from specc.origins.fields import Option, options_of
from specc.origins.pieces import ALL
from specc.origins.reads import Path
from specc.origins.sources import Sources
from specc.origins.variants import Base, Variant
from specc.origins.words import Changed
from specc.plan.extras import CONTRACT, Extras

CONTRACTS = (CONTRACT, "state_dict.json")  # files that follow from the plan of tests
# The files that differ where there are tests.
TEXTS = (".gitattributes", "README.md", "requirements.txt")
TESTED = (*CONTRACTS, *TEXTS)


@dataclass
class Effect:
    """The changes that other values of a field make: words of the present texts, by
    file, and files to which they add lines. `is_free` tells whether another value alone
    gives a valid job; it is only known where all files were looked at."""

    changed: dict[str, Changed] = field(default_factory=dict)
    adds: set[str] = field(default_factory=set)
    is_free: bool = False


class Reach:
    """A job, rendered without black, and what its fields change in the render."""

    def __init__(self, data: bytes, extras: Extras):
        """Raises JobError with all errors of the job."""
        self.base = Base(data, extras)
        self.job = self.base.job
        self.files = frozenset(self.base.cut.paths)
        self.sources = Sources(self.base.cut, self.base.fill)
        self.behind: dict[frozenset[str], frozenset[Path]] = {}

    @cached_property
    def options(self) -> dict[str, Option]:
        return options_of(self.job, self.base.given)

    def effect(self, option: Option) -> Effect:
        """Returns what other values of a field change in all files."""
        found, base = Effect(), self.base.cut
        for variant in self.base.others(option):
            cut = variant.cut(tested=True)
            if cut is None or not variant.is_valid:
                continue
            found.is_free = True
            alike = cut.like(base)
            for path in dict.fromkeys([*base.paths, *cut.paths]):
                if path in alike:
                    continue
                if path not in self.files:
                    found.adds.add(path)
                    continue
                pieces = cut.pieces(path, ALL)
                change, adds = self.sources.split(path).changed(pieces, ALL)
                change = self._due(path, change, variant)
                if change.words or change.gaps:
                    known = found.changed.get(path, Changed())
                    found.changed[path] = known | change
                if adds:
                    found.adds.add(path)
        # The changes come in an order of the variants: an answer has the folder's.
        paths = filter(found.changed.get, base.paths)
        found.changed = {path: found.changed[path] for path in paths}
        return found

    def effect_on(
        self,
        option: Option,
        path: str,
        lines: set[int],
        reached: Callable[[Changed], set[int]],
        enough: int,
    ) -> set[int]:
        """Returns the recorded lines that other values of a field change, as `reached`
        finds them in changes of the rendered lines, until there are enough."""
        split, found = self.sources.split(path), set()
        kinds = split.kinds_at(lines)
        behind = {self._behind(path, line) for line in lines}
        names, tested = self._names(path, lines), path in CONTRACTS
        if names is None:
            names = self.base.names_of(path, kinds)
        for variant in self.base.others(option):
            if not any(map(variant.differs, behind)):
                continue
            if not variant.touches(names, tested):
                continue
            pieces = variant.pieces(path, kinds, tested)
            if pieces is None:
                continue
            change, _ = split.changed(pieces, kinds)
            new = reached(self._due(path, change, variant)) - found
            if new and variant.is_valid:
                found |= new
            if len(found) == enough:
                break
        return found

    def _due(self, path: str, change: Changed, variant: Variant) -> Changed:
        """Returns the changes in lines that follow from what another job changes."""
        split = self.sources.split(path)
        lines = {split.words[word].line for word in change.words | change.gaps}
        due = {x for x in lines if variant.differs(self._behind(path, x))}
        return Changed(
            frozenset(word for word in change.words if split.words[word].line in due),
            frozenset(word for word in change.gaps if split.words[word].line in due),
        )

    def _names(self, path: str, lines: set[int]) -> frozenset[str] | None:
        """Returns the variables that lines follow from; None where these may be all."""
        found = [self.sources.names(path, line) for line in lines]
        return None if None in found else frozenset().union(*found)

    def _behind(self, path: str, line: int) -> frozenset[Path] | None:
        """Returns the fields that a line may follow from; None where these are all."""
        names = self.sources.names(path, line)
        if names is not None and names not in self.behind:
            self.behind[names] = self.base.steps.behind(names)
        return None if names is None else self.behind[names]
