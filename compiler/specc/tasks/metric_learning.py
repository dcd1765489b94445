"""Plan of `metric_learning`: a unit vector an image, near for images of one identity."""

from __future__ import annotations

from specc.job import MetricLearning
from specc.source import Line, literal, mapping
from specc.tasks.contract import HeadContract
from specc.tasks.multiclass_classification import annotated
from specc.tasks.task import BELOW, HeadCode, HeadExpressions, Task


def plan(head: MetricLearning, code: HeadCode) -> HeadExpressions:
    names, numbers = code.constant, f"{code.prefix}NUMBERS"
    options = f"{literal(head.margin)}, {literal(head.scale)}"
    numbered = f"{{name: number for number, name in enumerate({names})}}"
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
        metrics=f"retrieval_metrics({code.all_labels()}, {code.all_found()})",
        words_example=f'"{head.name}": {{embedding}}',
        annotation="NAME",
        annotations=(
            f'read_identities(folder, "metric learning", "identities", {names}, training)'
        ),
        dataset_constants=(Line(numbers, numbered),),
    )


def contract(head: MetricLearning) -> HeadContract:
    return HeadContract(found={"embedding": (head.embedding_size,)})


TASK = Task(
    title="metric learning",
    model_class="Embedder",
    output_type="Embeddings",
    returns="`Embeddings`",
    plan=plan,
    names="identities",
    counted=("identity", "identities"),
    classes=("heads/metric_learning",),
    losses=("losses/metric_learning",),
    mean_loss=True,
    decoders=("decoders/metric_learning",),
    label="str",
    metadata=("identities: [NAME, ...]",),
    readers={"native": (), "folders": ()},
    native_readers=(
        "dataset/identities",
        "dataset/described",
        "dataset/names_of",
        "dataset/entries",
        "dataset/yaml",
    ),
    parsers=("dataset/parse_identity",),
    training_note=(
        "A set to train on must have the identities of the job, any other may have others."
    ),
    meaning=("identities",),
    stacking=("data/stack_identities",),
    stack="stack_identities",
    in_words=("evaluate/identity_words",),
    metrics=("evaluate/identity_metrics",),
    drawings=("draw/identity",),
    drawing_tools=("draw/bars", "draw/add_line", "draw/write"),
    drawn=BELOW,
    contract=contract,
    annotated=annotated,
)
