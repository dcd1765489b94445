"""Models of timm: their levels, found by running them on PyTorch's meta device.

A `timm/<name>` backbone is one opaque operation for each level. Its shapes are read off
a forward of the very model that the emitted code creates; timm's own table of channels
and reductions only says how many features there are. Nothing is downloaded or computed:
on the meta device tensors have shapes alone. torch and timm are imported by the first
job that asks.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NoReturn

from specc.diagnostics import Path, fail, likely, put
from specc.resources import install
from specc.timm.importing import import_timm
from specc.words import clip, close_to, did_you_mean, listed

PREFIX = "timm/"
MODULE = "body"  # attribute of the emitted class that holds timm's model
HIGHEST = 7  # highest level that a job can ask for
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
NAME: Path = ("model", "backbone", "name")

Shape = tuple[int, ...]
Shapes = tuple[tuple[str, Shape], ...]  # names of tensors and their shapes


@dataclass(frozen=True)
class TimmLevel:
    """The operation that makes level ``level`` from the level below."""

    level: int
    index: int  # timm's index of the feature
    shape: Shape  # (channels, height, width)
    channels_last: bool  # timm yields (batch, height, width, channels)
    parameters: Shapes
    buffers: Shapes
    macs: int  # for one image
    elements: int  # numbers in the outputs of all its operations


@dataclass(frozen=True)
class TimmModel:
    name: str  # timm's name of the model
    image: Shape  # (channels, height, width)
    levels: tuple[TimmLevel, ...]  # levels from the lowest up
    mean: tuple[float, ...]
    std: tuple[float, ...]
    weights: str | None  # name and tag of the weights; None where timm has none


@dataclass(frozen=True)
class Run:
    """A forward of one image on the meta device."""

    maps: tuple[Shape, ...]  # shapes of the features, the batch included
    macs: int
    elements: int


def is_timm(name: str) -> bool:
    return name.startswith(PREFIX)


@lru_cache(maxsize=None)
def ask(job_name: str, image: Shape) -> TimmModel:
    """Returns the model `timm/<name>` for an image of this shape.

    Raises JobError: E221 unknown, E222 without levels, E224 an image that it cannot
    take, E409 without torch or timm.
    """
    name = job_name.removeprefix(PREFIX)
    timm = _timm(job_name)
    _refuse_unknown(timm, name)
    config = timm.get_pretrained_cfg(name)
    try:
        count = len(create(name, image[0]).feature_info.info)
        whole = create(name, image[0], tuple(range(count)))
    except Exception as error:  # timm raises exceptions of any type
        _no_levels(name, f"timm cannot build it with features_only: {reason_of(error)}")
    maps = _run_or_refuse(whole, name, image, config)
    levels = _levels(name, image, _last_of_each(maps, whole, image))
    if not levels:
        cells = [f"{h}x{w}" for h, w in dict.fromkeys(_sides(x, whole) for x in maps)]
        _no_levels(
            name,
            "no feature has 1/2, 1/4, 1/8... of the sides of the image:"
            f" one of {image[1]}x{image[2]} gives {listed(cells)}",
        )
    return TimmModel(
        name=name,
        image=image,
        levels=levels,
        mean=_rounded(config and config.mean or IMAGENET_MEAN),
        std=_rounded(config and config.std or IMAGENET_STD),
        weights=_weights(name, config),
    )


def create(
    name: str, channels: int, indices: tuple[int, ...] | None = None, cut: bool = True
) -> Any:
    """Returns the module that the emitted code makes for these features, on the meta
    device; with ``cut`` False, the module as timm makes it."""
    options = {} if indices is None else {"out_indices": indices}
    net = _on_meta(name, in_chans=channels, features_only=True, **options)
    stages = stages_needed(net)
    if cut and stages is not None:
        del net.blocks[stages:]
    return net.eval()


def stages_needed(net: Any) -> int | None:
    """Returns how many of ``net.blocks`` the features need, if timm keeps more: timm
    does not cut the EfficientNet and MobileNet families itself."""
    features = net.feature_info.get_dicts()
    if not hasattr(net, "blocks") or any("stage" not in one for one in features):
        return None
    stages = max(one["stage"] for one in features)
    return stages if stages < len(net.blocks) else None


def run(net: Any, image: Shape) -> Run:
    """Returns shapes and costs of one image. Raises whatever the model raises."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from specc.timm.memory import Elements

    flops, made = FlopCounterMode(display=False), Elements()
    # Gradients stay on: without them the flop counter's hooks fail on some models.
    with warnings.catch_warnings(), torch.device("meta"):
        warnings.simplefilter("ignore")
        images = torch.zeros(1, *image)
        with flops, made:
            maps = net(images)
    shapes = tuple(tuple(x.shape) for x in maps)
    return Run(shapes, flops.get_total_flops() // 2, made.count)


def is_level(level: TimmLevel, maps: Shape, image: Shape) -> bool:
    """Returns whether a map is exactly 1/2^level of an image."""
    _, *sides = _channels_first(maps, level.channels_last)
    return [side * 2**level.level for side in sides] == list(image[1:])


@lru_cache(maxsize=None)
def idle_weights(name: str, image: Shape, indices: tuple[int, ...]) -> tuple[str, ...]:
    """Returns the shortest prefixes of the parameters that no feature depends on.

    A gradient would never reach them, and training on several GPUs waits for it.
    Raises JobError E222 for a model that cannot be trained.
    """
    import torch

    net = create(name, image[0], indices)
    with warnings.catch_warnings(), torch.device("meta"):
        warnings.simplefilter("ignore")
        try:
            sum(x.sum() for x in net.train()(torch.zeros(2, *image))).backward()
        except Exception as error:  # timm raises exceptions of any type
            _no_levels(name, f"a step of training fails: {reason_of(error)}")
    used = [k for k, weight in net.named_parameters() if weight.grad is not None]
    idle = [k for k, weight in net.named_parameters() if weight.grad is None]
    return tuple(dict.fromkeys(prefix_of(key, used) for key in idle))


@lru_cache(maxsize=None)
def whole_state(name: str, channels: int) -> dict[str, Shape]:
    """Returns the shapes in the state dict of the whole model, classifier included."""
    return _shapes(_on_meta(name, in_chans=channels).state_dict())


# ---- timm's registry ----


def _timm(job_name: str) -> Any:
    try:
        return import_timm()
    except ModuleNotFoundError as error:
        what = {"torch": "PyTorch", "timm": "timm"}.get(error.name or "", "")
        why = f"{what} is not installed" if what else reason_of(error)
    except Exception as error:  # a broken installation raises exceptions of any type
        why = reason_of(error)
    fail(
        "E409",
        f"backbone `{job_name}` is built from timm's description: {why}",
        path=NAME,
        help=f"{install('timm')}, or choose a backbone that specc writes out",
        note="built-in backbones are built without timm and without PyTorch",
    )


def _refuse_unknown(timm: Any, name: str) -> None:
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        message = f"timm has no model `{clip(name, 60)}`"
        known, otherwise = timm.list_models(), "`timm.list_models()` lists its models"
    else:
        known = timm.list_models(f"{architecture}.*", pretrained=True)
        if not tag or name in known:
            return
        message = f"timm has no weights `{clip(tag, 60)}` of `{architecture}`"
        tags = [f"`{one.partition('.')[2]}`" for one in known[:6]]
        otherwise = f"its tags are {listed(tags)}" if tags else "leave the tag out"
    full = [PREFIX + one for one in known]
    close = did_you_mean(PREFIX + name, full, mark='"')
    meant = close_to(PREFIX + name, full)
    edit = likely(put(NAME, meant)) if meant else None
    fail("E221", message, path=NAME, help=close or otherwise, edit=edit)


def _weights(name: str, config: Any) -> str | None:
    if config is None or not config.has_weights:
        return None
    architecture = config.architecture or name.partition(".")[0]
    return f"{architecture}.{config.tag}" if config.tag else architecture


def _rounded(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(round(float(value), 4) for value in values)


# ---- Reading levels off a forward ----


def _on_meta(name: str, **options: Any) -> Any:
    import timm
    import torch

    with warnings.catch_warnings(), torch.device("meta"):
        warnings.simplefilter("ignore")
        return timm.create_model(name, **options)


def _run_or_refuse(net: Any, name: str, image: Shape, config: Any) -> tuple[Shape, ...]:
    try:
        return run(net, image).maps
    except Exception as error:
        reason = reason_of(error)
    size = (config and config.input_size) or (3, 224, 224)
    try:
        run(net, (image[0], *size[1:]))
    except Exception:  # the model fails at this size too: the size is not the reason
        _no_levels(name, f"it does not run on PyTorch's meta device: {reason}")
    height, width = image[1:]
    fail(
        "E224",
        f"backbone `{PREFIX}{name}` cannot take images of {height}x{width}: {reason}",
        path=("data", "resolution"),
        help=f"set /data/resolution to {list(size[1:])}, or choose another backbone",
        note=f"the model takes images of {size[1]}x{size[2]}",
        edit=likely(put(("data", "resolution"), list(size[1:]))),
    )


def _no_levels(name: str, reason: str) -> NoReturn:
    fail(
        "E222",
        f"backbone `{PREFIX}{name}` has no feature levels: {reason}",
        path=NAME,
        help="choose another model, such as `timm/convnext_tiny`",
    )


def _last_of_each(
    maps: tuple[Shape, ...], net: Any, image: Shape
) -> dict[int, tuple[int, Shape, bool]]:
    """Returns level -> (index, shape, whether channels are last) of its last
    feature."""
    reductions = net.feature_info.reduction()
    found = {}
    for index, (shape, reduction) in enumerate(zip(maps, reductions)):
        for channels_last in _layouts(net):
            channels, *sides = _channels_first(shape, channels_last)
            level = _level(sides, image[1:], reduction)
            if level:
                found[level] = index, (channels, *sides), channels_last
                break
    return dict(sorted(found.items()))


def _layouts(net: Any) -> tuple[bool, bool]:
    """Returns both guesses whether channels are last, the model's own statement
    first."""
    said = str(getattr(net, "output_fmt", "")).endswith("NHWC")
    return said, not said


def _sides(shape: Shape, net: Any) -> tuple[int, ...]:
    return tuple(_channels_first(shape, _layouts(net)[0])[1:])


def _channels_first(shape: Shape, channels_last: bool) -> Shape:
    if len(shape) != 4:
        return (0, 0, 0)  # the output is no map
    _, *rest = shape
    return (rest[2], rest[0], rest[1]) if channels_last else tuple(rest)


def _level(sides: list[int], image: Shape, reduction: int) -> int | None:
    """Returns the level whose stride turns the image's sides into these. Sides that do
    not halve evenly are rounded up or down; in doubt, timm's reduction decides."""
    fits = [
        level
        for level in range(1, HIGHEST + 1)
        if all(b // 2**level <= a <= -(-b // 2**level) for a, b in zip(sides, image))
    ]
    said = int(reduction).bit_length() - 1
    return said if said in fits and reduction == 2 ** said else min(fits, default=None)


def _levels(
    name: str, image: Shape, found: dict[int, tuple[int, Shape, bool]]
) -> tuple[TimmLevel, ...]:
    """Returns the levels, each with the parameters that it adds. A level is left out if
    a model that ends there has weights which a longer model lacks: the two would not be
    one network."""
    indices = [index for index, _, _ in found.values()]
    kept: list[tuple] = []
    for level in reversed(found):
        index, shape, channels_last = found[level]
        net = create(name, image[0], tuple(i for i in indices if i <= index))
        state = _shapes(net.state_dict())
        if not kept or (
            index < kept[-1][0][1] and state.items() <= kept[-1][1].items()
        ):
            # Do not count the second name of a tied weight, nor a buffer, as a
            # parameter.
            weights = {key for key, _ in net.named_parameters()}
            costs = run(net, image)
            kept.append(((level, index, shape, channels_last), state, weights, costs))
    kept.reverse()
    return tuple(map(_added, kept, [None, *kept]))


def _added(here: tuple, below: tuple | None) -> TimmLevel:
    facts, state, weights, costs = here
    known = below[1] if below else {}
    new = [(key, shape) for key, shape in state.items() if key not in known]
    return TimmLevel(
        *facts,
        parameters=tuple(item for item in new if item[0] in weights),
        buffers=tuple(item for item in new if item[0] not in weights),
        macs=costs.macs - (below[3].macs if below else 0),
        elements=costs.elements - (below[3].elements if below else 0),
    )


def _shapes(state: dict) -> dict[str, Shape]:
    return {key: tuple(value.shape) for key, value in state.items()}


def prefix_of(key: str, used: list[str]) -> str:
    """Returns the shortest prefix of a parameter that is no prefix of a used one."""
    parts = key.split(".")
    for end in range(1, len(parts)):
        prefix = ".".join(parts[:end]) + "."
        if not any(other.startswith(prefix) for other in used):
            return prefix
    return key


def reason_of(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return clip(text.splitlines()[0], 120).rstrip(".")
