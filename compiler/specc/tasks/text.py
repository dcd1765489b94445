"""What the plans of both text heads share: a text is a sequence of tokens and its end."""

from __future__ import annotations

from dataclasses import replace

from specc.job import TextRecognition
from specc.source import constant, literal, mapping
from specc.tasks.contract import Annotations, HeadContract
from specc.tasks.task import BELOW, HeadCode, HeadExpressions, Task


def are_characters(tokens: tuple[str, ...]) -> bool:
    """Whether a text can be written as one string: else it is a list of tokens."""
    return all(len(token) == 1 for token in tokens)


def plan_text(head: TextRecognition, code: HeadCode, module: str) -> HeadExpressions:
    """The expressions of a head whose class is `module`."""
    names, most = code.constant, f"{code.prefix}MAX_TOKENS"
    characters = are_characters(head.tokens)
    text_of = "text_of" if characters else "tokens_of"
    text = f'{code.words}["text"]'
    drawn = text if characters else f'" ".join({text})'
    sizes = f"{head.layers}, {head.width}, {head.attention_heads}"
    label = f"{text_of}({code.labels}, {names})"
    known = f" if {code.key} in sample.labels" * code.partial
    found = f" if {code.key} in words" * code.partial
    note = "of a text; a place for its end comes after them"
    return HeadExpressions(
        construction=f"{module}({code.width}, len({names}) + 1, {most} + 1, {sizes})",
        loss=f"text_loss({code.outputs}, {code.targets})",
        blank=f"[0] * ({most} + 1)",
        decode=f"decode_text({code.outputs})",
        parse=f"parse_text({code.given}, {names}, {most})",
        words=mapping(
            [
                ("text", f'{text_of}({code.results}["tokens"][row].tolist(), {names})'),
                ("score", f'{code.results}["score"][row].item()'),
            ]
        ),
        label_words=mapping([("text", label)]),
        draw=f"draw_text(image, {drawn}, {code.words})",
        metrics=(
            f"text_metrics([{label} for sample in samples{known}],"
            f" [{text} for words in found{found}])"
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
    return Annotations(
        label=f"some_text(number, {names}, {head.max_tokens})",
        sections=("contract/some_text",),
    )


def with_text_of(task: Task, head: TextRecognition) -> Task:
    """The record of a head, whose texts are strings or lists of tokens."""
    spelled = "text_of" if are_characters(head.tokens) else "tokens_of"
    return replace(task, parsers=("dataset/parse_text", f"dataset/{spelled}"))


SHARED = dict(
    described_as="scene text recognition",
    output_type="Tensor",
    returns="logits (B, places, tokens and the end)",
    names="tokens",
    counted=("token", "tokens"),
    losses=("losses/text",),
    mean_loss=True,
    decoders=("decoders/text",),
    label="list[int]",
    metadata=("tokens: TEXT, or [TOKEN, ...]",),
    readers={"native": ()},
    native_readers=("dataset/texts", "dataset/entries", "dataset/yaml"),
    empty_note='`""` is one without text',
    meaning=("tokens",),
    stacking=("data/stack_texts",),
    stack="stack_texts",
    metrics=("evaluate/text_metrics",),
    drawings=("draw/text",),
    drawing_tools=("draw/add_line", "draw/write"),
    drawn=BELOW,
    contract=contract,
    annotated=annotated,
)
