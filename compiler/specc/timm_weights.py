"""The names of weights: those of a whole model of timm, and of its feature levels."""

from __future__ import annotations

from functools import lru_cache

from specc.timm_models import TimmModel, create, whole_state

RENAMINGS = (
    {  # prefix that timm's wrapper adds -> flat name of a key ``k`` of the wrapper
        "": 'k.replace(".", "_")',
        "model.": 'k.removeprefix("model.").replace(".", "_")',
        "body.": 'k.removeprefix("body.").replace(".", "_")',
    }
)


@lru_cache(maxsize=None)
def renaming(model: TimmModel) -> str | None:
    """The expression that turns a key ``k`` of the levels' state dict into the whole
    model's, each `.` replaced by `_`, as some of timm's wrappers do to the first; None
    where no rule turns all keys into names of tensors of the same shape."""
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
    """Flat names of the kernels of the first convolutions, which read three colors in
    the whole model, and here a single channel."""
    if model.image[0] == 3:
        return ()
    colored, grey = whole_state(model.name, 3), whole_state(model.name, model.image[0])
    return tuple(
        key.replace(".", "_")
        for key, shape in grey.items()
        if len(shape) == 4 and shape[1] == 1 and colored[key][1] == 3
    )
