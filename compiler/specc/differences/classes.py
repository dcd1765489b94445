"""The effect of a change of a job: on tensors of the state dict, on callers of the
model, or on the recipe alone. All of it follows from both graphs and resolved jobs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum

from specc.differences.sides import Side
from specc.graph.levels import head_components
from specc.graph.names import NAMES, dependents, named_options
from specc.heads import task_of
from specc.words import number_of


class Class(IntEnum):
    """The gravest thing that a change does; a later one includes the need to look at
    those before it."""

    NONE = 0
    COSMETIC = 1  # neither weights, nor results, nor training change
    RECIPE = 2  # weights stay valid; how they come about, or are used, changes
    COMPATIBLE = 3  # some tensors are new or dropped, all others stay valid
    BREAKING = 4  # tensors change their shape or their meaning
    INTERFACE = 5  # callers of a vendored model see the change

    @property
    def title(self) -> str:
        return TITLES[self]


TITLES = {
    Class.NONE: "none",
    Class.COSMETIC: "cosmetic",
    Class.RECIPE: "recipe",
    Class.COMPATIBLE: "weight-compatible",
    Class.BREAKING: "weight-breaking",
    Class.INTERFACE: "interface-breaking",
}
NAMED = {title: kind for kind, title in TITLES.items()}

# Pointers of fields that change neither weights nor results.
COSMETIC = ("/name", "/export", "/data/cache", "/data/keep_samples", "/trainer/slurm")
SCALES = ("range",)  # options in whose unit a head predicts
# Options that a head's results have one row for each of.
ROWS = ("max_detections", "max_tokens")


@dataclass
class Effect:
    """The effects of a change."""

    kind: Class
    reasons: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)  # keys of the state dict
    dropped: list[str] = field(default_factory=list)
    reshaped: list[str] = field(default_factory=list)
    redefined: list[str] = field(default_factory=list)  # same shape, other meaning

    def add(self, kind: Class, reason: str) -> None:
        self.kind = max(self.kind, kind)
        if reason not in self.reasons:
            self.reasons.append(reason)


def effect(old: Side, new: Side, pointers: Iterable[str]) -> Effect:
    """Returns what the change of these fields, which are all that differs, does."""
    pointers = list(pointers)
    plain = all(_is_cosmetic(pointer) for pointer in pointers)
    found = Effect(
        Class.NONE if not pointers else Class.COSMETIC if plain else Class.RECIPE
    )
    _tensors(old, new, found)
    _meanings(old, new, found)
    _interface(old, new, found)
    return found


def _is_cosmetic(pointer: str) -> bool:
    return any(
        pointer == known or pointer.startswith(f"{known}/") for known in COSMETIC
    )


def _tensors(old: Side, new: Side, found: Effect) -> None:
    before, after = old.summary.state, new.summary.state
    found.new = [key for key in after if key not in before]
    found.dropped = [key for key in before if key not in after]
    found.reshaped = [k for k in before if k in after and before[k] != after[k]]
    if found.new or found.dropped:
        found.add(Class.COMPATIBLE, "tensors of the state dict are new or dropped")
    if found.reshaped:
        found.add(Class.BREAKING, "tensors of the state dict change their shape")


def _meanings(old: Side, new: Side, found: Effect) -> None:
    """Notes tensors that keep their name and shape, but mean something else."""
    for keys, reason in _redefined(old, new):
        state = new.summary.state
        same = [key for key in keys if state.get(key) == old.summary.state[key]]
        found.redefined += [key for key in same if key not in found.redefined]
        if same or set(keys) & set(found.reshaped):
            found.add(Class.BREAKING, reason)


def _redefined(old: Side, new: Side) -> Iterable[tuple[list[str], str]]:
    """Yields keys of tensors that change their meaning, with the reason."""

    def inside(module: str) -> list[str]:
        return [key for key in old.summary.state if key.startswith(f"{module}.")]

    a, b = old.job.backbone.name, new.job.backbone.name
    if a != b:
        yield inside("backbone"), f"weights of {a} are not those of {b}"
    kinds = [one.job.neck.kind if one.job.neck else "none" for one in (old, new)]
    if kinds[0] != kinds[1]:
        what = f"weights of a {kinds[0]} neck are not those of a {kinds[1]} neck"
        yield inside("neck"), what
    names = (head.name for head in old.job.heads)
    components = dict(zip(names, head_components(old.job)))
    for before, after in _pairs(old, new):
        module = components[before.name]
        if before.task != after.task:
            what = f"the head learns {after.task}, no longer {before.task}"
            yield inside(module), what
            continue
        for option in (*NAMES, *SCALES):
            a, b = getattr(before, option, None), getattr(after, option, None)
            if a != b and not _appended(a, b):
                keys = inside(module)
                if option in named_options(before):
                    keys = dependents(old.job, old.summary, before, option)
                yield keys, f"`{option}` of the head `{after.name}` {_changed(a, b)}"


def _pairs(old: Side, new: Side) -> list[tuple]:
    """Returns the heads of both jobs that are one head: of one name, or the only
    one."""
    by_name = {head.name: head for head in old.job.heads}
    if len(old.job.heads) == len(new.job.heads) == 1:
        return [(old.job.heads[0], new.job.heads[0])]
    return [
        (by_name[head.name], head) for head in new.job.heads if head.name in by_name
    ]


def _appended(before: object, after: object) -> bool:
    """Returns whether names were only added at the end."""
    if not isinstance(before, tuple) or not isinstance(after, tuple):
        return False
    return after[: len(before)] == before


def _changed(before: object, after: object) -> str:
    if not isinstance(before, tuple) or not isinstance(after, tuple):
        return "changed"
    if before and isinstance(before[0], (int, float)):
        return "has another scale"
    gone, new = set(before) - set(after), set(after) - set(before)
    if not gone and not new:
        return "stands in another order"
    return "has names that are gone, renamed or moved"


def _interface(old: Side, new: Side, found: Effect) -> None:
    """Notes what callers of the emitted model see."""
    if old.job.data.channels != new.job.data.channels:
        a, b = old.job.data.channels, new.job.data.channels
        found.add(
            Class.INTERFACE, f"images have {number_of(b, 'channel')}, no longer {a}"
        )
    if old.job.export and not new.job.export:
        found.add(Class.INTERFACE, "the folder loses export.py and runtime.py")
    elif new.job.export and not old.job.export:
        found.add(Class.COSMETIC, "the folder gains export.py and runtime.py")
    a, b = _class_name(old), _class_name(new)
    if a != b:
        found.add(Class.INTERFACE, f"the model's class is called {b}, no longer {a}")
    before = {head.name for head in old.job.heads}
    after = {head.name for head in new.job.heads}
    for name in sorted(before - after):
        what = f"`predict` returns nothing under the name `{name}`"
        found.add(Class.INTERFACE, what)
    for one, other in _pairs(old, new):
        if one.task != other.task:
            what = f"`{other.name}` returns {task_of(other).returns}"
            found.add(Class.INTERFACE, what)
        for option in NAMES:
            a, b = getattr(one, option, None), getattr(other, option, None)
            if a != b and not _appended(a, b):
                what = f"indices into `{option}` of `{other.name}` mean other names"
                found.add(Class.INTERFACE, what)
        for option in ROWS:
            a, b = getattr(one, option, None), getattr(other, option, None)
            if a != b:
                rows = number_of(b, "row")
                what = f"results of `{other.name}` have {rows}, no longer {a}"
                found.add(Class.INTERFACE, what)


def _class_name(side: Side) -> str:
    heads = side.job.heads
    return task_of(heads[0]).model_class if len(heads) == 1 else "Network"
