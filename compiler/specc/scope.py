"""The operations of the level graph, and their shapes.

A node is a :class:`Node` (component, step, level). The component is the module of the
model that it belongs to: ``image``, ``backbone``, ``neck``, ``head`` (a single head) or
``heads.<name>``. A step that several levels share has a node a level. Attributes:

========== =====================================================================
operation  image, conv, batch_norm, group_norm, layer_norm, one of ``ACTIVATIONS``,
           max_pool, add, fuse, upsample, squeeze, multiply, global_pool, linear, unit,
           cosines, flatten, concat, positions, embedding, attention, calibrate, opaque
           (all that a library's model does to make a level), or missing (see
           ``Scope.read``)
options    settings of the operation besides its inputs and weights, as a dict
prefix     prefix of its state-dict keys, ``backbone.conv1``; None without weights
parameters key -> shape
buffers    key -> shape
shape      output shape without the batch: (channels, height, width) of a map
stride     stride of a map in the image, computed along the first input from the
           operations, not from the level; None once the output is no map
macs       multiply-accumulates for one image
========== =====================================================================

An edge has ``order`` (place among the inputs, from 0) and ``scale`` (levels that it
climbs: -1 upsampled, 0, +1 halved).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import NamedTuple

import networkx as nx

Shape = tuple[int, ...]

ACTIVATIONS = frozenset(
    {"relu", "relu6", "silu", "gelu", "hardswish", "sigmoid", "hardsigmoid"}
)
NO_MAP = frozenset(  # operations whose output is no map, or has a single cell
    {
        *("squeeze", "global_pool", "linear", "unit", "cosines", "flatten", "concat"),
        *("positions", "embedding"),
    }
)


class Node(NamedTuple):
    component: str
    step: str
    level: int

    def __str__(self) -> str:
        return f"{self.component}.{self.step}@{self.level}"


@dataclass(frozen=True)
class Scope:
    """Adds operations to the graph, at one component and one level.

    The methods take nodes and return the node of the new operation, so that the builder
    of a network reads as the network's ``forward``.
    """

    graph: nx.DiGraph
    component: str
    level: int = 0

    def at(self, level: int) -> Scope:
        return replace(self, level=level)

    def shape(self, x: Node) -> Shape:
        return self.graph.nodes[x]["shape"]

    def channels(self, x: Node) -> int:
        return self.shape(x)[0]

    def image(self, shape: Shape) -> Node:
        return self._add("image", "image", (), shape)

    def read(self, levels: dict[int, Node]) -> Node:
        """Returns the node of this level. Where no component makes the level, returns a
        `missing` node of the shape that the level would have: the rest is built on this
        node, and checks/ reports what is wrong."""
        if self.level in levels:
            return levels[self.level]
        _, height, width = self.shape(self.graph.graph["image"])
        cell = 2**self.level
        size = (-(-height // cell), -(-width // cell))
        channels = self.channels(levels[max(levels)])
        return self._add("missing", "missing", (), (channels, *size))

    def conv(
        self,
        step: str,
        x: Node,
        channels: int,
        kernel: int,
        stride: int = 1,
        bias: bool = False,
        groups: int = 1,
        same: bool = False,
    ) -> Node:
        """Adds a convolution with an odd kernel, padded: only its stride shrinks the
        map.

        With ``same``, the padding is TensorFlow's: where an even map is halved, the
        extra row and column of the border are at the bottom and the right.
        """
        weight = (channels, self.channels(x) // groups, kernel, kernel)
        shape = (channels, *self._windows(x, kernel, stride))
        padding = "same" if same else kernel // 2
        options = {"kernel": kernel, "stride": stride, "padding": padding}
        return self._add(
            step,
            "conv",
            (x,),
            shape,
            options=options | {"groups": groups},
            parameters={"weight": weight, **({"bias": (channels,)} if bias else {})},
            macs=prod(weight) * prod(shape[1:]),
            scale=stride.bit_length() - 1,
        )

    def batch_norm(
        self, step: str, x: Node, eps: float = 1e-5, affine: bool = True
    ) -> Node:
        vector = (self.channels(x),)
        parameters = {"weight": vector, "bias": vector} if affine else {}
        return self._add(
            step,
            "batch_norm",
            (x,),
            self.shape(x),
            options={"eps": eps},
            parameters=parameters,
            buffers={
                "running_mean": vector,
                "running_var": vector,
                "num_batches_tracked": (),
            },
        )

    def group_norm(self, step: str, x: Node, groups: int) -> Node:
        vector = (self.channels(x),)
        return self._add(
            step,
            "group_norm",
            (x,),
            self.shape(x),
            options={"groups": groups},
            parameters={"weight": vector, "bias": vector},
        )

    def activation(self, step: str, x: Node, operation: str) -> Node:
        assert operation in ACTIVATIONS, operation
        return self._add(step, operation, (x,), self.shape(x))

    def relu(self, step: str, x: Node) -> Node:
        return self.activation(step, x, "relu")

    def max_pool(self, step: str, x: Node, kernel: int, stride: int) -> Node:
        shape = (self.channels(x), *self._windows(x, kernel, stride))
        options = {"kernel": kernel, "stride": stride, "padding": kernel // 2}
        scale = stride.bit_length() - 1
        return self._add(step, "max_pool", (x,), shape, options=options, scale=scale)

    def add(self, step: str, *inputs: Node) -> Node:
        return self._add(step, "add", inputs, self.shape(inputs[0]))

    def fuse(self, step: str, *inputs: Node) -> Node:
        """Adds a mean of maps, with a learned positive weight for each input."""
        parameters = {"weights": (len(inputs),)}
        return self._add(
            step, "fuse", inputs, self.shape(inputs[0]), parameters=parameters
        )

    def multiply(self, step: str, x: Node, gate: Node) -> Node:
        """Adds the product of a map and one number for each channel."""
        return self._add(step, "multiply", (x, gate), self.shape(x))

    def squeeze(self, step: str, x: Node) -> Node:
        """Adds the mean over the map, as a map of a single cell."""
        return self._add(step, "squeeze", (x,), (self.channels(x), 1, 1))

    def upsample(self, step: str, x: Node) -> Node:
        """Adds nearest upsampling: each cell becomes 2 x 2 equal cells."""
        channels, height, width = self.shape(x)
        shape = (channels, 2 * height, 2 * width)
        return self._add(step, "upsample", (x,), shape, scale=-1)

    def global_pool(self, step: str, x: Node) -> Node:
        """Adds the mean over the map: (channels,)."""
        return self._add(step, "global_pool", (x,), (self.channels(x),))

    def linear(self, step: str, x: Node, features: int, rows: int = 0) -> Node:
        """Adds a linear layer on the last axis; ``rows``, if given, is the number of
        rows of one image, where a model goes through a text more than once."""
        *before, inputs = self.shape(x)
        return self._add(
            step,
            "linear",
            (x,),
            (*before, features),
            parameters={"weight": (features, inputs), "bias": (features,)},
            macs=features * inputs * (rows or prod(before)),
        )

    def layer_norm(self, step: str, x: Node) -> Node:
        vector = self.shape(x)[-1:]
        parameters = {"weight": vector, "bias": vector}
        return self._add(step, "layer_norm", (x,), self.shape(x), parameters=parameters)

    def positions(self, step: str, x: Node) -> Node:
        """Adds a positional embedding of the cells of a map, in the order of
        `flatten`."""
        channels, height, width = self.shape(x)
        return self._add(step, "positions", (x,), (height * width, channels))

    def embedding(self, step: str, count: int, tokens: int, channels: int) -> Node:
        """Adds an embedding of ``tokens`` tokens, from a table of ``count`` rows."""
        shape, weight = (tokens, channels), (count, channels)
        return self._add(step, "embedding", (), shape, parameters={"weight": weight})

    def attention(
        self, step: str, inputs: tuple[Node, Node, Node], heads: int, pairs: int = 0
    ) -> Node:
        """Adds multi-head attention; each head has its share of the channels.
        ``pairs``, if given, is the number of pairs of query and key of one image, like
        ``rows`` of `linear`."""
        places, channels = self.shape(inputs[0])
        pairs = pairs or places * self.shape(inputs[1])[0]
        options, macs = {"heads": heads}, 2 * channels * pairs
        shape = (places, channels)
        return self._add(step, "attention", inputs, shape, options=options, macs=macs)

    def unit(self, step: str, x: Node) -> Node:
        """Adds the division of a vector by its length."""
        return self._add(step, "unit", (x,), self.shape(x))

    def calibrate(self, step: str, x: Node) -> Node:
        """Adds a shift and a scale by two numbers that are measured, not learned."""
        buffers = {"alarm": (), "spread": ()}
        return self._add(step, "calibrate", (x,), self.shape(x), buffers=buffers)

    def cosines(self, step: str, x: Node, split: Shape) -> Node:
        """Adds the cosines between a unit vector and learned vectors, as axes
        ``split``."""
        weight = (prod(split), self.channels(x))
        parameters = {"weight": weight}
        return self._add(
            step, "cosines", (x,), split, parameters=parameters, macs=prod(weight)
        )

    def flatten(self, step: str, x: Node, split: Shape | None = None) -> Node:
        """Adds the flattening of a map into cells, row by row: (height * width,
        channels), or with the channels split into the axes ``split``."""
        channels, height, width = self.shape(x)
        return self._add(
            step, "flatten", (x,), (height * width, *(split or (channels,)))
        )

    def concat(self, step: str, inputs: list[Node]) -> Node:
        """Adds the concatenation of lists of cells."""
        cells = sum(self.shape(x)[0] for x in inputs)
        rest = self.shape(inputs[0])[1:]
        return self._add(step, "concat", tuple(inputs), (cells, *rest))

    def opaque(
        self,
        step: str,
        x: Node,
        shape: Shape,
        *,
        parameters: dict[str, Shape],
        buffers: dict[str, Shape],
        macs: int,
        elements: int,
    ) -> Node:
        """Adds all that a library's model does between two levels as one operation; its
        maps, the output included, have ``elements`` numbers."""
        return self._add(
            step,
            "opaque",
            (x,),
            shape,
            options={"elements": elements},
            parameters=parameters,
            buffers=buffers,
            macs=macs,
            scale=self.level - x.level,
        )

    def _windows(self, x: Node, kernel: int, stride: int) -> Shape:
        border = 2 * (kernel // 2) - kernel
        return tuple((side + border) // stride + 1 for side in self.shape(x)[1:])

    def _add(
        self,
        step: str,
        operation: str,
        inputs: tuple[Node, ...],
        shape: Shape,
        *,
        options: dict | None = None,
        parameters: dict[str, Shape] | None = None,
        buffers: dict[str, Shape] | None = None,
        macs: int = 0,
        scale: int = 0,
    ) -> Node:
        node = Node(self.component, step, self.level)
        assert node not in self.graph, f"{node} is added twice"
        prefix = f"{self.component}.{step}" if parameters or buffers else None
        self.graph.add_node(
            node,
            operation=operation,
            options=options or {},
            prefix=prefix,
            parameters={f"{prefix}.{k}": v for k, v in (parameters or {}).items()},
            buffers={f"{prefix}.{k}": v for k, v in (buffers or {}).items()},
            shape=shape,
            stride=None if operation in NO_MAP else self._stride(inputs, scale),
            macs=macs,
        )
        for order, x in enumerate(inputs):
            self.graph.add_edge(x, node, order=order, scale=scale)
        return node

    def _stride(self, inputs: tuple[Node, ...], scale: int) -> int | None:
        if not inputs:
            return 2**self.level
        stride = self.graph.nodes[inputs[0]]["stride"]
        if stride is None:
            return None
        return stride << scale if scale >= 0 else stride >> -scale
