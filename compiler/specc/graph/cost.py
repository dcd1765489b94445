"""Computes a model's shapes, parameters, multiply-accumulates and memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import networkx as nx

from specc.graph.levels import levels_of, prune
from specc.job import Job
from specc.scope import Node, Shape

FLOAT_BYTES = 4


@dataclass(frozen=True)
class Level:
    level: int
    stride: int  # stride in pixels
    height: int  # height in cells
    width: int
    backbone: int | None  # channels of the backbone; None where it lacks the level
    neck: int | None
    heads: tuple[str, ...]  # names of the heads that read the level

    @property
    def cells(self) -> int:
        return self.height * self.width


@dataclass(frozen=True)
class Component:
    module: str  # name in the model: backbone, neck, head or heads.<name>
    name: str  # name in the job: resnet18, fpn, name of the head
    parameters: int  # number of parameters; weights that levels share count once
    macs: int  # multiply-accumulates for one image
    activation_bytes: int


@dataclass(frozen=True)
class Summary:
    """The emitted model of a job; sizes are those at ``data.resolution``.

    ``dropped`` names, by component, the levels that the job asks for and no head needs.
    A level is emitted if any of its operations is, and returned if something outside
    its component reads it. ``state`` maps every key of the state dict to its shape, in
    the order of the graph; ``buffers`` are those of its keys that are no parameters.
    ``outputs`` maps the name of a head to its outputs' shapes without the batch.
    ``receptive_fields`` maps a level to that of the neck's output, else of the last
    map, in pixels; None after an opaque operation.
    """

    resolution: tuple[int, int]  # height, width in pixels
    levels: tuple[Level, ...]  # from level 1
    backbone_levels: tuple[int, ...]
    backbone_returned: tuple[int, ...]
    neck_levels: tuple[int, ...]
    neck_read: tuple[int, ...]  # levels of the backbone that the neck reads
    neck_returned: tuple[int, ...]
    components: tuple[Component, ...]
    divisor: int  # height and width are multiples of this
    dropped: dict[str, tuple[int, ...]]
    state: dict[str, Shape]
    buffers: frozenset[str]
    outputs: dict[str, dict[str, Shape]]
    receptive_fields: dict[int, int | None]

    @property
    def legal_heights(self) -> tuple[int, ...]:
        """The nearest multiples of the divisor below and above the height."""
        return legal_sizes(self.resolution[0], self.divisor)

    @property
    def legal_widths(self) -> tuple[int, ...]:
        return legal_sizes(self.resolution[1], self.divisor)

    @property
    def parameters(self) -> int:
        return sum(part.parameters for part in self.components)

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return sum(part.macs for part in self.components)

    @property
    def activation_bytes(self) -> int:
        """Sum of all operations' outputs for one image in float32: an estimate, as
        autograd keeps fewer of them and its own buffers besides."""
        return sum(part.activation_bytes for part in self.components)


def summarize(job: Job, graph: nx.DiGraph) -> Summary:
    """Returns the summary of the graph, without unused levels."""
    live = prune(graph)
    return Summary(**{name: make(job, graph, live) for name, make in FIGURES.items()})


def divisor(graph: nx.DiGraph) -> int:
    """Returns the divisor of the image's height and width. It is the stride of the
    highest level that is upsampled, since only an even map is restored by doubling its
    half; that "same" padding makes, which is fixed only for even maps; or that an
    opaque model makes of images of any size."""
    levels = upsampled_level(graph), same_padded_level(graph), opaque_level(graph)
    return 2 ** max(levels)


def upsampled_level(graph: nx.DiGraph) -> int:
    """Returns the highest level that is upsampled; 0 where none is."""
    upsampled = [x.level for x, _, scale in graph.edges.data("scale") if scale < 0]
    return max(upsampled, default=0)


def same_padded_level(graph: nx.DiGraph) -> int:
    """Returns the highest level that a "same"-padded convolution halves to; 0 for
    none."""
    padded = [
        x.level
        for x, options in graph.nodes.data("options")
        if options.get("padding") == "same" and options["stride"] == 2
    ]
    return max(padded, default=0)


def opaque_level(graph: nx.DiGraph) -> int:
    """Returns the highest level of an opaque model that processes images of any size:
    only even maps are known to be halved exactly. 0 where all images have the
    resolution."""
    if not graph.graph.get("whole"):
        return 0
    operations = graph.nodes.data("operation")
    return max((x.level for x, name in operations if name == "opaque"), default=0)


def elements(attributes: dict) -> int:
    """Returns how many numbers an operation makes, an opaque one's inner maps
    included."""
    return attributes["options"].get("elements", prod(attributes["shape"]))


def legal_sizes(size: int, divisor: int) -> tuple[int, ...]:
    """Returns the nearest multiples of the divisor below and above a size."""
    below = (size - 1) // divisor * divisor
    above = (size // divisor + 1) * divisor
    return (below, above) if below else (above,)


def receptive_field(graph: nx.DiGraph, node: Node) -> int | None:
    """Returns the side in pixels of the square of the image that a cell of a map
    depends on.

    This is the widest over all paths; borders and global pooling are ignored. None
    where an opaque operation is on a path, as its kernels are unknown.
    """
    return _fields(graph, [node])[0]


def _fields(graph: nx.DiGraph, nodes: list[Node]) -> list[int | None]:
    """Returns the receptive field of each node."""
    order = [
        (y, graph.nodes[y], list(graph.predecessors(y)))
        for y in reversed(list(nx.topological_sort(graph)))
    ]
    return [_field(order, node, graph.graph["image"]) for node in nodes]


def _field(
    order: list[tuple[Node, dict, list[Node]]], node: Node, image: Node
) -> int | None:
    """Returns the receptive field of a node; `order` has the nodes of the graph, each
    after those that read it, with what it reads."""
    needed = {node: 1}  # map -> cells in a row that the cell depends on
    for y, attributes, read in order:
        if y not in needed:
            continue
        if attributes["operation"] == "opaque":
            return None
        cells = _cells_read(attributes, needed[y])
        for x in read:
            needed[x] = max(cells, needed.get(x, 0))
    return needed.get(image, 0)


def dropped_levels(graph: nx.DiGraph, live: nx.DiGraph) -> dict[str, tuple[int, ...]]:
    """Returns component -> levels of backbone and neck of which pruning left
    nothing."""
    dropped = {}
    for component in ("backbone", "neck"):
        kept = levels_of(live, component)
        gone = [k for k in levels_of(graph, component) if k not in kept]
        if gone:
            dropped[component] = tuple(gone)
    return dropped


def _cells_read(attributes: dict, cells: int) -> int:
    if attributes["operation"] == "upsample":
        # A row of cells that starts at an odd cell reads one more.
        return cells // 2 + 1
    options = attributes["options"]
    return (cells - 1) * options.get("stride", 1) + options.get("kernel", 1)


def _levels(_: Job, graph: nx.DiGraph, live: nx.DiGraph) -> tuple[Level, ...]:
    kept = {x: levels_of(live, x) for x in ("backbone", "neck")}
    return tuple(
        _level(graph, live, level, node, kept) for level, node in _maps(live).items()
    )


def _maps(live: nx.DiGraph) -> dict[int, Node]:
    """Returns level -> the neck's output, else the last map."""
    maps = {x.level: x for x in live if x.component in ("backbone", "neck")}
    made = maps | live.graph["backbone"] | live.graph["neck"]
    return {level: made[level] for level in sorted(maps)}


def _level(
    graph: nx.DiGraph,
    live: nx.DiGraph,
    level: int,
    node: Node,
    kept: dict[str, tuple[int, ...]],
) -> Level:
    channels = {
        component: graph.nodes[graph.graph[component][level]]["shape"][0]
        for component, levels in kept.items()
        if level in levels
    }
    _, height, width = live.nodes[node]["shape"]
    return Level(
        level=level,
        stride=2**level,
        height=height,
        width=width,
        backbone=channels.get("backbone"),
        neck=channels.get("neck"),
        heads=tuple(
            live.graph["names"][component]
            for component, read in live.graph["inputs"].items()
            if level in read
        ),
    )


def _components(_: Job, __: nx.DiGraph, live: nx.DiGraph) -> tuple[Component, ...]:
    names = live.graph["names"]
    return tuple(_component(live, x) for x in names if levels_of(live, x))


def _outputs(_: Job, __: nx.DiGraph, live: nx.DiGraph) -> dict[str, dict[str, Shape]]:
    return {
        live.graph["names"][component]: {
            k: live.nodes[x]["shape"] for k, x in named.items()
        }
        for component, named in live.graph["outputs"].items()
    }


def _receptive_fields(
    _: Job, __: nx.DiGraph, live: nx.DiGraph
) -> dict[int, int | None]:
    maps = _maps(live)
    return dict(zip(maps, _fields(live, list(maps.values()))))


def _read_by_neck(graph: nx.DiGraph) -> tuple[int, ...]:
    read = {
        x.level
        for x, y in graph.edges
        if (x.component, y.component) == ("backbone", "neck")
    }
    return tuple(sorted(read))


def _returned(graph: nx.DiGraph, component: str) -> tuple[int, ...]:
    return tuple(
        level
        for level, x in sorted(graph.graph[component].items())
        if any(y.component != component for y in graph.succ[x])
    )


def _component(graph: nx.DiGraph, module: str) -> Component:
    nodes = [graph.nodes[x] for x in graph if x.component == module]
    weights = {k: v for node in nodes for k, v in node["parameters"].items()}
    return Component(
        module=module,
        name=graph.graph["names"][module],
        parameters=sum(prod(shape) for shape in weights.values()),
        macs=sum(node["macs"] for node in nodes),
        activation_bytes=FLOAT_BYTES * sum(map(elements, nodes)),
    )


def _state(graph: nx.DiGraph, *kinds: str) -> dict[str, Shape]:
    return {
        key: shape
        for _, attributes in graph.nodes.data()
        for kind in kinds
        for key, shape in attributes[kind].items()
    }


# Field of a summary -> what makes it: of the job, its graph, and the graph without
# unused levels.
FIGURES: dict[str, Callable[[Job, nx.DiGraph, nx.DiGraph], Any]] = {
    "resolution": lambda job, graph, live: tuple(job.data.resolution),
    "levels": _levels,
    "backbone_levels": lambda job, graph, live: levels_of(live, "backbone"),
    "backbone_returned": lambda job, graph, live: _returned(live, "backbone"),
    "neck_levels": lambda job, graph, live: levels_of(live, "neck"),
    "neck_read": lambda job, graph, live: _read_by_neck(live),
    "neck_returned": lambda job, graph, live: _returned(live, "neck"),
    "components": _components,
    "divisor": lambda job, graph, live: divisor(live),
    "dropped": lambda job, graph, live: dropped_levels(graph, live),
    "state": lambda job, graph, live: _state(live, "parameters", "buffers"),
    "buffers": lambda job, graph, live: frozenset(_state(live, "buffers")),
    "outputs": _outputs,
    "receptive_fields": _receptive_fields,
}
