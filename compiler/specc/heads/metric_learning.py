"""Metric learning with ArcFace: a unit vector for each image, near for images of one
identity. Global average pooling, a linear layer, and the cosines between the vector and
the centers of the identities, which the loss needs.

ArcFace, https://arxiv.org/abs/1801.07698, Deng et al. 2018; sub-centers from Deng et
al. 2020
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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
    identities: tuple[str, ...] | int  # names, or their number
    level: int
    embedding_size: int
    subcenters: int  # number of centers of each identity
    margin: float  # angular margin in radians
    scale: float  # factor of the cosines before softmax

    @property
    def counted(self) -> bool:
        """Whether the job says only how many identities there are."""
        return isinstance(self.identities, int)

    @property
    def count(self) -> int:
        return self.identities if self.counted else len(self.identities)


# ---- The graph ----


def build(net: Scope, head: MetricLearning, levels: dict[int, Node]) -> dict[str, Node]:
    """Outputs: embedding (size,), cosines (identities, subcenters)."""
    here = net.at(head.level)
    x = here.global_pool("pool", levels[head.level])
    x = here.linear("linear", x, head.embedding_size)
    embedding = here.unit("embedding", x)
    split = (head.count, head.subcenters)
    return {
        "embedding": embedding,
        "cosines": here.cosines("centers", embedding, split),
    }


# ---- Expressions of the emitted code ----


def plan(head: MetricLearning, code: HeadCode) -> HeadExpressions:
    names, numbers = code.constant, code.numbers
    options = f"margin={literal(head.margin)}, scale={literal(head.scale)}"
    checks, count = [f"check_identities(samples, use, {code.key})"], f"len({names})"
    known, place = f"{numbers}, training", f"{numbers}[{code.labels}]"
    read = (
        f'read_identities(folder, "metric learning", "identities", {names}, training)'
    )
    if head.counted:
        checks.append(f"check_count(samples, use, {code.key}, {names})")
        known, place, count = "{}, training=False", f"{code.labels}.number", names
        read = 'annotations_for(folder, "metric learning")'
    return HeadExpressions(
        construction=(
            f"EmbeddingHead({code.width}, size={head.embedding_size}, "
            f"identities={count}, subcenters={head.subcenters})"
        ),
        loss=f"metric_loss({code.outputs}, {code.targets}, {options})",
        blank="0",
        decode=f"decode_embedding({code.outputs})",
        parse=f"parse_identity({code.given}, {known})",
        place=place,
        sealed=mapping([("embedding", f'{code.sealed}["embedding"].tolist()')]),
        words=f"to_embedding({code.results}, row)",
        label_words=mapping([("identity", code.labels)]),
        draw=f"draw_identity(image, {code.words})",
        checks=tuple(checks),
        metrics=f"retrieval_metrics({code.all_labels()}, {code.all_found()}, device)",
        words_example=f'"{head.name}": {{embedding}}',
        annotation="NAME",
        annotations=read,
    )


# ---- The contract ----


def contract(head: MetricLearning) -> HeadContract:
    return HeadContract(found={"embedding": (head.embedding_size,)})


# ---- The record ----


def variant(head: MetricLearning) -> Task:
    """Returns the expressions of a head with only the number of identities."""
    note = "A set to train on may have no more identities than the job counts."
    return replace(TASK, kept="Identity", training_note=note) if head.counted else TASK


TASK = Task(
    title="metric learning",
    head=MetricLearning,
    model_class="Embedder",
    output_type="Embeddings",
    returns="`Embeddings`",
    plan=plan,
    variant=variant,
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
