"""The names of weights: those of a whole model of timm, and of its feature levels."""

from __future__ import annotations

from functools import lru_cache

from specc.timm.models import MODULE, TimmModel, create, prefix_of, whole_state

RENAMINGS = (
    {  # prefix that timm's wrapper adds -> flat name of a key ``k`` of the wrapper
        "": 'k.replace(".", "_")',
        "model.": 'k.removeprefix("model.").replace(".", "_")',
        "body.": 'k.removeprefix("body.").replace(".", "_")',
    }
)


@lru_cache(maxsize=None)
def renaming(model: TimmModel) -> str | None:
    """Returns the expression that turns a key ``k`` of the levels' state dict into the
    whole model's key with each `.` replaced by `_` (some of timm's wrappers replace the
    first). None where no rule maps all keys to tensors of the same shape."""
    indices = tuple(sorted(one.index for one in model.levels))
    levels = create(model.name, model.image[0], indices).state_dict()
    whole = whole_state(model.name, model.image[0])
    flat = {key.replace(".", "_"): shape for key, shape in whole.items()}
    if len(flat) < len(whole):
        return None
    for prefix, expression in RENAMINGS.items():
        names = [key.removeprefix(prefix).replace(".", "_") for key in levels]
        shapes = [tuple(value.shape) for value in levels.values()]
        if all(flat.get(name) == shape for name, shape in zip(names, shapes)):
            return expression
    return None


def color_kernels(model: TimmModel) -> tuple[str, ...]:
    """Returns flat names of the kernels of the first convolutions, which read three
    colors in the whole model, and the channels of the job in the emitted one."""
    channels = model.image[0]
    if channels == 3:
        return ()
    colored, other = whole_state(model.name, 3), whole_state(model.name, channels)
    return tuple(
        key.replace(".", "_")
        for key, shape in other.items()
        if len(shape) == 4 and shape[1] == channels and colored[key][1] == 3
    )


def frozen_modules(model: TimmModel) -> dict[int, list[str]]:
    """Returns level -> the modules that the level adds, as attributes of the emitted
    class. Weights outside of all such modules are left out (see `loose_weights`)."""
    modules = {}
    for level, prefixes in _prefixes(model).items():
        names = [prefix[:-1] for prefix in prefixes if prefix.endswith(".")]
        modules[level] = [_attribute(name) for name in names]
    return modules


def loose_weights(model: TimmModel, level: int) -> list[str]:
    """Returns the weights up to a level that are in no module of these levels alone."""
    found = _prefixes(model)
    return [
        prefix
        for here in found
        if here <= level
        for prefix in found[here]
        if not prefix.endswith(".")
    ]


def _prefixes(model: TimmModel) -> dict[int, list[str]]:
    """Returns level -> the shortest prefixes of the tensors that the level alone
    adds."""
    keys = {
        one.level: [key for key, _ in (*one.parameters, *one.buffers)]
        for one in model.levels
    }
    return {
        level: list(
            dict.fromkeys(
                prefix_of(
                    key, [k for other in keys if other != level for k in keys[other]]
                )
                for key in keys[level]
            )
        )
        for level in keys
    }


def _attribute(module: str) -> str:
    """Returns the attribute of a module: blocks.0 becomes body.blocks[0]."""
    parts = [
        f"[{part}]" if part.isdigit() else f".{part}" for part in module.split(".")
    ]
    return MODULE + "".join(parts)
