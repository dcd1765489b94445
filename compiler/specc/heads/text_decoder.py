"""What both text heads are made of: the cells of a level, and a transformer's decoder.

"Attention Is All You Need", Vaswani et al. 2017, arXiv:1706.03762
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from specc.job import TextRecognition
    from specc.scope import Node, Scope


@dataclass(frozen=True)
class Reading:
    """How often the decoder goes through a text: ``places`` rows, all of them once, or
    once for each token with the rows so far."""

    places: int
    again: bool

    @property
    def rows(self) -> int:
        return sum(self._passes())

    @property
    def pairs(self) -> int:
        """Of a row and one that it attends to; those that a mask hides included."""
        return sum(rows * rows for rows in self._passes())

    def _passes(self) -> list[int]:
        return list(range(1, self.places + 1)) if self.again else [self.places]


def cells(net: Scope, x: Node, width: int) -> Node:
    """A level as the rows that a text is read from: (cells, width)."""
    x = net.conv("cells.project", x, width, kernel=1, bias=True)
    places = net.positions("cells.places", x)
    x = net.layer_norm("cells.norm", net.flatten("cells.rows", x))
    return net.add("cells", x, places)


def decode(
    net: Scope, head: TextRecognition, x: Node, image: Node, reading: Reading
) -> Node:
    """Logits of the tokens and of the end of the text: (places, tokens + 1)."""
    for index in range(head.layers):
        x = _layer(net, f"layers.{index}", x, image, head.attention_heads, reading)
    x = net.layer_norm("last_norm", x)
    return net.linear("logits", x, len(head.tokens) + 1, rows=reading.rows)


def _layer(
    net: Scope, name: str, x: Node, image: Node, heads: int, reading: Reading
) -> Node:
    """Norms come first, as in arXiv:2002.04745."""
    rows, width, seen = reading.rows, net.shape(x)[1], net.shape(image)[0]
    parts = ["text", "image", "mlp"] if reading.again else ["image", "mlp"]
    for number, part in enumerate(parts, 1):
        y = net.layer_norm(f"{name}.norm{number}", x)
        if part == "text":
            y = _attend(net, f"{name}.text", y, y, heads, rows, rows, reading.pairs)
        elif part == "image":
            y = _attend(net, f"{name}.image", y, image, heads, rows, seen, rows * seen)
        else:
            y = net.linear(f"{name}.mlp.0", y, 4 * width, rows=rows)
            y = net.activation(f"{name}.mlp.1", y, "gelu")
            y = net.linear(f"{name}.mlp.2", y, width, rows=rows)
        x = net.add(f"{name}.{part}", x, y)
    return x


def _attend(
    net: Scope,
    name: str,
    x: Node,
    others: Node,
    heads: int,
    rows: int,
    seen: int,
    pairs: int,
) -> Node:
    """Rows of x attend to those of others, of which ``seen`` are made keys and values."""
    width = net.shape(x)[1]
    query = net.linear(f"{name}.query", x, width, rows=rows)
    key = net.linear(f"{name}.key", others, width, rows=seen)
    value = net.linear(f"{name}.value", others, width, rows=seen)
    y = net.attention(f"{name}.attention", (query, key, value), heads, pairs)
    return net.linear(f"{name}.out", y, width, rows=rows)
