"""BiFPN, the bidirectional feature pyramid: layers that pass features top down and then
bottom up, and fuse maps by a mean with learned weights.

"EfficientDet: Scalable and Efficient Object Detection", Tan et al. 2019,
https://arxiv.org/abs/1911.09070. The paper's code projects a level of the backbone to
the common width at each place where the first layer reads the level; here it is done
once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from specc.job import Job, Neck
from specc.necks.kind import Kind
from specc.source import Line, maps_type, named_span, shape

if TYPE_CHECKING:
    from specc.graph.cost import Summary
    from specc.scope import Node, Scope


@dataclass(frozen=True)
class BiFPN(Neck):
    layers: int  # number of BiFPN layers, each top down and bottom up


EPSILON = 1e-3  # epsilon of the batch norms, as in the paper's code


def build(net: Scope, neck: BiFPN, backbone: dict[int, Node]) -> dict[int, Node]:
    """Adds levels ``bottom_level`` to ``top_level``; returns level -> node.

    A single level is only brought to the common width: checks/neck.py reports it.
    """
    levels = _resample(net, neck, backbone)
    for index in range(neck.layers if len(levels) > 1 else 0):
        levels = _layer(net, f"layers.{index}", levels)
    return levels


def _resample(net: Scope, neck: BiFPN, backbone: dict[int, Node]) -> dict[int, Node]:
    """Adds the backbone's levels at the common width, and max-pooled levels above."""
    bottom, top = sorted((neck.bottom_level, neck.top_level))
    last = max(bottom, min(top, max(backbone)))
    levels = {}
    for level in range(bottom, last + 1):
        here = net.at(level)
        x = here.read(backbone)
        if here.channels(x) != neck.channels:
            name = f"resample{level}"
            x = here.conv(f"{name}.0", x, neck.channels, kernel=1)
            x = here.batch_norm(f"{name}.1", x, EPSILON)
        levels[level] = x
    for level in range(last + 1, top + 1):
        levels[level] = _down(net.at(level), f"level{level}", levels[level - 1])
    return levels


def _layer(net: Scope, name: str, levels: dict[int, Node]) -> dict[int, Node]:
    bottom, *between, top = sorted(levels)
    mids = {top: levels[top]}
    for level in reversed(between):
        here, step = net.at(level), f"{name}.mid{level}"
        above = here.upsample(f"{step}.up", mids[level + 1])
        mids[level] = _fusion(here, step, levels[level], above)

    here, step = net.at(bottom), f"{name}.out{bottom}"
    above = here.upsample(f"{step}.up", mids[bottom + 1])
    outs = {bottom: _fusion(here, step, levels[bottom], above)}
    for level in (*between, top):
        here, step = net.at(level), f"{name}.out{level}"
        own = [levels[level]] if level == top else [levels[level], mids[level]]
        below = _down(here, step, outs[level - 1])
        outs[level] = _fusion(here, step, *own, below)
    return outs


def _fusion(net: Scope, name: str, *maps: Node) -> Node:
    x = net.activation(f"{name}.act", net.fuse(name, *maps), "silu")
    channels = net.channels(x)
    x = net.conv(f"{name}.depthwise", x, channels, kernel=3, groups=channels)
    x = net.conv(f"{name}.pointwise", x, channels, kernel=1)
    return net.batch_norm(f"{name}.norm", x, EPSILON)


def _down(net: Scope, name: str, x: Node) -> Node:
    return net.max_pool(f"{name}.down", x, kernel=3, stride=2)


# ---- The plan ----


Levels = tuple[int, ...]


@dataclass(frozen=True)
class LayerClass:
    """An emitted class of layers. The last layer has a class of its own where it makes
    fewer levels than the others."""

    name: str
    story: str
    fusions: tuple[Line, ...]
    maps: str  # names of the maps, such as p3, p4, p5
    top_down: tuple[Line, ...]
    bottom_up: tuple[Line, ...]
    returns: str
    returns_type: str


def plan(job: Job, summary: Summary) -> dict[str, Any]:
    levels = summary.neck_levels
    last = f"neck.layers.{job.neck.layers - 1}.out"
    # The graph drops from the last layer the levels above the highest that a head
    # reads.
    outs = tuple(k for k in levels if f"{last}{k}.weights" in summary.state)
    widths = {
        k: summary.state[f"neck.resample{k}.0.weight"][1]
        for k in summary.neck_read
        if f"neck.resample{k}.0.weight" in summary.state
    }
    classes = _layer_classes(levels, outs, job.neck.layers)
    layers = [Line(f"resample{k}", f"resample({width})") for k, width in widths.items()]
    layers.append(Line("layers", _construct(classes, job.neck.layers)))
    return {
        "class_name": "BiFPN",
        "story": _story(job.neck.layers, levels[len(summary.neck_read) :]),
        "layers": tuple(layers),
        "steps": tuple(_steps(summary, widths, outs)),
        "returns": _returns(summary, widths, outs),
        "kind": {"layer_classes": classes, "resamples": bool(widths)},
    }


def _story(layers: int, pooled: Levels) -> str:
    often = {1: "", 2: ", twice"}.get(layers, f", {layers} times")
    parts = [f"levels flow down and\n    up again{often}"]
    if pooled:
        parts.append(f"max pooling makes {named_span(pooled)}")
    return "; ".join(parts)


def _layer_classes(levels: Levels, outs: Levels, layers: int) -> tuple[LayerClass, ...]:
    if outs == levels or layers == 1:
        return (_layer_class("BiFPNLayer", levels, outs),)
    return (
        _layer_class("BiFPNLayer", levels, levels),
        _layer_class("LastBiFPNLayer", levels, outs),
    )


def _layer_class(name: str, levels: Levels, outs: Levels) -> LayerClass:
    between = levels[1:-1]
    fusions = [Line(f"mid{k}", "Fusion(maps=2)") for k in reversed(between)]
    fusions += [
        Line(f"out{k}", f"Fusion(maps={3 if k in between else 2})") for k in outs
    ]
    top_down = tuple(_top_down(levels))
    bottom_up = tuple(_bottom_up(levels, outs))
    made = _names("p", outs)
    return LayerClass(
        name=name,
        story=_layer_story(top_down, bottom_up, levels[len(outs) :]),
        fusions=tuple(fusions),
        maps=", ".join(_names("p", levels)),
        top_down=top_down,
        bottom_up=bottom_up,
        returns=", ".join(made),
        returns_type=maps_type(made),
    )


def _layer_story(
    top_down: tuple[Line, ...], bottom_up: tuple[Line, ...], unread: Levels
) -> str:
    """Returns text such as: Top down (m6, m5, m4, p3), then bottom up (p4, p5, p6,
    p7)."""
    story = f"Top down ({', '.join(step.name for step in top_down)})"
    if bottom_up:
        story += f", then bottom up ({', '.join(step.name for step in bottom_up)})"
    if unread:
        story += f":\n    no head reads {named_span(unread)}"
    return story


def _top_down(levels: Levels) -> Iterator[Line]:
    above = f"p{levels[-1]}"
    for k in reversed(levels[1:-1]):
        yield Line(f"m{k}", f"self.mid{k}(p{k}, up({above}))")
        above = f"m{k}"
    bottom = levels[0]
    yield Line(f"p{bottom}", f"self.out{bottom}(p{bottom}, up({above}))")


def _bottom_up(levels: Levels, outs: Levels) -> Iterator[Line]:
    for k in outs[1:]:
        own = f"p{k}" if k == levels[-1] else f"p{k}, m{k}"
        yield Line(f"p{k}", f"self.out{k}({own}, down(p{k - 1}))")


def _construct(classes: tuple[LayerClass, ...], layers: int) -> str:
    first = layers if len(classes) == 1 else layers - 1
    calls = first * [f"{classes[0].name}()"]
    if first > 2:
        calls = [f"*({calls[0]} for _ in range({first}))"]
    calls += [f"{one.name}()" for one in classes[1:]]
    return f"nn.Sequential({', '.join(calls)})"


def _entry(summary: Summary, widths: dict[int, int]) -> dict[int, str]:
    """Returns level -> name of the map that the first layer reads."""
    fitting = set(summary.neck_read) - set(widths)
    return {k: f"{'c' if k in fitting else 'p'}{k}" for k in summary.neck_levels}


def _steps(summary: Summary, widths: dict[int, int], outs: Levels) -> Iterator[Line]:
    entry = _entry(summary, widths)
    for k, name in entry.items():
        note = f"  # {shape('CHANNELS', k)}"
        if k in widths:
            yield Line(name, f"self.resample{k}(c{k})", note)
        elif k not in summary.neck_read:
            yield Line(name, f"down({entry[k - 1]})", note)
    if outs != summary.neck_returned:
        names = [f"p{k}" if k in summary.neck_returned else "_" for k in outs]
        yield Line(", ".join(names), _call(entry))


def _returns(summary: Summary, widths: dict[int, int], outs: Levels) -> str:
    if outs == summary.neck_returned:
        return _call(_entry(summary, widths))
    return ", ".join(_names("p", summary.neck_returned))


def _call(entry: dict[int, str]) -> str:
    return f"self.layers(({', '.join(entry.values())}))"


def _names(letter: str, levels: Levels) -> tuple[str, ...]:
    return tuple(f"{letter}{k}" for k in levels)


KIND = Kind(BiFPN, "BiFPN", build, plan)
