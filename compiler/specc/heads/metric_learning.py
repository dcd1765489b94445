"""A unit vector an image, near for images of one identity: global average pooling, a linear
layer, and the cosines between the vector and the centers of the identities, which the loss
needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from specc.heads.contract import HeadContract
from specc.heads.multiclass_classification import annotated
from specc.heads.task import BELOW, HeadCode, HeadExpressions, Native, Task
from specc.job import Head
from specc.source import literal, mapping

if TYPE_CHECKING:
    from specc.scope import Node, Scope


@dataclass(frozen=True)
class MetricLearning(Head):
    identities: tuple[str, ...]
    level: int
    embedding_size: int
    subcenters: int  # of each identity
    margin: float  # radians
    scale: float  # of the cosines


# ---- The graph ----


def build(net: Scope, head: MetricLearning, levels: dict[int, Node]) -> dict[str, Node]:
    """Outputs: embedding (size,), cosines (identities, subcenters)."""
    here = net.at(head.level)
    x = here.global_pool("pool", levels[head.level])
    x = here.linear("linear", x, head.embedding_size)
    embedding = here.unit("embedding", x)
    split = (len(head.identities), head.subcenters)
    return {
        "embedding": embedding,
        "cosines": here.cosines("centers", embedding, split),
    }


# ---- Expressions of the emitted code ----


def plan(head: MetricLearning, code: HeadCode) -> HeadExpressions:
    names, numbers = code.constant, code.numbers
    options = f"{literal(head.margin)}, {literal(head.scale)}"
    return HeadExpressions(
        construction=(
            f"EmbeddingHead({code.width}, {head.embedding_size}, len({names}), "
            f"{head.subcenters})"
        ),
        loss=f"metric_loss({code.outputs}, {code.targets}, {options})",
        blank="0",
        decode=f"decode_embedding({code.outputs})",
        parse=f"parse_identity({code.given}, {numbers}, training)",
        place=f"{numbers}[{code.labels}]",
        words=f"embedding_in_words({code.results}, row)",
        label_words=mapping([("identity", code.labels)]),
        draw=f"draw_identity(image, {code.words})",
        checks=(f"check_identities(samples, use, {code.key})",),
        metrics=f"retrieval_metrics({code.all_labels()}, {code.all_found()}, device)",
        words_example=f'"{head.name}": {{embedding}}',
        annotation="NAME",
        annotations=(
            f'read_identities(folder, "metric learning", "identities", {names}, training)'
        ),
    )


# ---- The contract ----


def contract(head: MetricLearning) -> HeadContract:
    return HeadContract(found={"embedding": (head.embedding_size,)})


# ---- The record ----


TASK = Task(
    title="metric learning",
    head=MetricLearning,
    model_class="Embedder",
    output_type="Embeddings",
    exact=True,
    returns="`Embeddings`",
    plan=plan,
    names="identities",
    counted=("identity", "identities"),
    fewest=2,
    annotations="identities",
    label="str",
    native=Native(metadata=("identities: [NAME, ...]",)),
    readers={"native": "", "folders": ""},
    training_note=(
        "A set to train on must have the identities of the job, any other may have others."
    ),
    meaning=("identities",),
    splits_by="identities",
    stack="stack_identities",
    drawn=BELOW,
    contract=contract,
    annotated=annotated,
)
