"""Shared by both text heads: a text is a sequence of tokens and an end token, and a
transformer decoder reads the text from the cells of a level.

Transformer, "Attention Is All You Need", https://arxiv.org/abs/1706.03762, Vaswani et
al. 2017
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from specc.heads.contract import Annotations, HeadContract
from specc.heads.task import BELOW, HeadCode, HeadExpressions, Native
from specc.job import Head
from specc.source import constant, literal, mapping

if TYPE_CHECKING:
    from specc.scope import Node, Scope


@dataclass(frozen=True)
class TextRecognition(Head):
    tokens: tuple[str, ...]
    max_tokens: int  # most tokens of a text
    level: int
    layers: int  # number of decoder layers
    width: int  # channels of the decoder
    attention_heads: int


def cells(net: Scope, x: Node, width: int) -> Node:
    """Adds the rows from which a text is read, the cells of a level: (cells, width)."""
    x = net.conv("cells.project", x, width, kernel=1, bias=True)
    places = net.positions("cells.places", x)
    x = net.layer_norm("cells.norm", net.flatten("cells.rows", x))
    return net.add("cells", x, places)


def decode(
    net: Scope, head: TextRecognition, x: Node, image: Node, by_token: bool
) -> Node:
    """Adds the decoder; returns logits of tokens and of the end: (places, tokens + 1).
    ``by_token``: each place attends to the text before it; a buffer as long as the
    longest text holds its keys and values, so that each place is computed once."""
    places = net.shape(x)[0]
    for index in range(head.layers):
        x = _layer(net, f"layers.{index}", x, image, head.attention_heads, by_token)
    x = net.layer_norm("last_norm", x)
    return net.linear("logits", x, len(head.tokens) + 1, rows=places)


def _layer(
    net: Scope, name: str, x: Node, image: Node, heads: int, by_token: bool
) -> Node:
    """Adds a pre-norm decoder layer (https://arxiv.org/abs/2002.04745)."""
    (rows, width), seen = net.shape(x), net.shape(image)[0]
    parts = ["text", "image", "mlp"] if by_token else ["image", "mlp"]
    for number, part in enumerate(parts, 1):
        y = net.layer_norm(f"{name}.norm{number}", x)
        if part == "text":
            y = _attend(net, f"{name}.text", y, y, heads, rows, rows, rows * rows)
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
    """Adds attention from the rows of x to the rows of others; ``seen`` is the number
    of rows of which keys and values are computed."""
    width = net.shape(x)[1]
    query = net.linear(f"{name}.query", x, width, rows=rows)
    key = net.linear(f"{name}.key", others, width, rows=seen)
    value = net.linear(f"{name}.value", others, width, rows=seen)
    y = net.attention(f"{name}.attention", (query, key, value), heads, pairs)
    return net.linear(f"{name}.out", y, width, rows=rows)


def are_characters(tokens: tuple[str, ...]) -> bool:
    """Returns whether a text can be written as one string, rather than a list of
    tokens."""
    return all(len(token) == 1 for token in tokens)


def plan_text(head: TextRecognition, code: HeadCode, module: str) -> HeadExpressions:
    """Returns the expressions of a text head; `module` is the head's emitted class."""
    names, most = code.constant, f"{code.prefix}MAX_TOKENS"
    characters = are_characters(head.tokens)
    text_of = "text_of" if characters else "tokens_of"
    text = f'{code.words}["text"]'
    drawn = text if characters else f'" ".join({text})'
    sizes = (
        f"classes=len({names}) + 1, length={most} + 1, layers={head.layers}, "
        f"width={head.width}, heads={head.attention_heads}"
    )
    label = f"{text_of}({code.labels}, {names})"
    known = f" if {code.key} in sample.labels" * code.partial
    found = f" if {code.key} in one" * code.partial
    note = "most tokens of a text, without its end"
    return HeadExpressions(
        construction=f"{module}({code.width}, {sizes})",
        loss=f"text_loss({code.outputs}, {code.targets})",
        blank=f"[0] * ({most} + 1)",
        decode=f"decode_text({code.outputs})",
        parse=f"parse_text({code.given}, {names}, {most})",
        sealed=f"found_{'text' if characters else 'tokens'}({code.sealed}, {code.sealed_names('tokens')})",
        words=mapping(
            [
                ("text", f'{text_of}({code.results}["tokens"][row].tolist(), {names})'),
                ("score", f'{code.results}["score"][row].item()'),
            ]
        ),
        label_words=mapping([("text", label)]),
        draw=f"draw_text(image, {drawn}, {code.words})",
        checks=(code.checked(f"lambda x: {{*x}} - {{len({names})}}", names),),
        metrics=(
            f"text_metrics([{label} for sample in samples{known}],"
            f' [one[{code.key}]["text"] for one in found{found}])'
        ),
        words_example=f'"{head.name}": {{text, score}}',
        annotation="TEXT, or [TOKEN, ...]",
        annotations=f"read_texts(folder, {names})",
        names=_as_characters(head.tokens),
        constants=(constant(most, head.max_tokens, note),),
    )


def _as_characters(tokens: tuple[str, ...]) -> str:
    return f"tuple({literal(''.join(tokens))})" if are_characters(tokens) else ""


def contract(head: TextRecognition) -> HeadContract:
    return HeadContract(found={"tokens": (head.max_tokens,), "score": ()})


def annotated(head: TextRecognition, names: str) -> Annotations:
    return Annotations(label=f"some_text(number, {names}, most={head.max_tokens})")


SHARED = dict(
    described_as="scene text recognition",
    output_type="Tensor",
    returns="logits (B, length, tokens and the end)",
    names="tokens",
    counted=("token", "tokens"),
    label="list[int]",
    native=Native(
        metadata=("tokens: TEXT, or [TOKEN, ...]",),
        empty_note='`""` is one without text',
    ),
    readers={"native": "", "csv": ""},
    meaning=("tokens",),
    stack="stack_texts",
    drawn=BELOW,
    contract=contract,
    annotated=annotated,
)
