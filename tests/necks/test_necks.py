"""The emitted necks against the level graph: outputs, parameters, cost, dead branches."""

from __future__ import annotations

import json
import sys
import types

import pytest
import torch
from interpreter import random_state, run
from torch.utils.flop_counter import FlopCounterMode

from specc.build import analyze
from specc.emit.format import format_files
from specc.emit.render import render
from specc.graph.cost import summarize
from specc.graph.levels import prune
from specc.plan.page import plan

pytestmark = pytest.mark.usefixtures("one_thread")

LEVELS = [(3, 7), (3, 5), (2, 4), (4, 6), (3, 6)]
# A wider backbone has other widths alone: one neck of each kind over it is no soak.
BACKBONES = ["resnet18", pytest.param("resnet50", marks=pytest.mark.soak)]


def bifpn(bottom, top, layers=3, channels=24):
    levels = {"bottom_level": bottom, "top_level": top}
    return {"kind": "bifpn", **levels, "layers": layers, "channels": channels}


def fpn(bottom, top, source="neck"):
    levels = {"bottom_level": bottom, "top_level": top}
    return {"kind": "fpn", **levels, "extra_levels_from": source, "channels": 24}


def detecting(bottom, top, name="cells"):
    head = {"name": name, "task": "object_detection", "categories": ["a", "b"]}
    return head | {"bottom_level": bottom, "top_level": top, "max_detections": 1}


def classifying(level, name="kind"):
    head = {"name": name, "task": "multiclass_classification", "categories": ["a", "b"]}
    return head | {"level": level}


class Emitted:
    """The names that a job's model.py defines, and its graph without unused nodes."""

    def __init__(self, neck, *heads, backbone="resnet18", top_level=5):
        backbone = {"name": backbone, "top_level": top_level}
        job = {
            "name": "tested",
            "data": {"train": "train", "resolution": [128, 128]},
            "model": {"backbone": backbone, "neck": neck, "heads": heads},
        }
        resolved, graph, findings = analyze(json.dumps(job).encode())
        assert not any(finding.is_error for finding in findings)
        self.graph = prune(graph)
        self.summary = summarize(resolved, graph)
        page = plan(resolved, graph)
        self.text = render(page)["model.py"]
        self.module = types.ModuleType("emitted_neck_model")
        sys.modules[self.module.__name__] = self.module  # typing looks for it there
        exec(self.text, self.module.__dict__)
        self.model_class = getattr(self.module, page.model_class)


def check_outputs(emitted):
    """With random weights, neck and heads make what the graph's interpreter makes."""
    state = random_state(emitted.graph)
    for key in state:
        if key.endswith(".weights"):
            state[key] -= 0.3  # some shares are negative, and count as none
    model = emitted.model_class().eval()
    model.load_state_dict(state)  # strict: the keys are those of the graph, and no more
    made = []
    model.neck.register_forward_hook(lambda neck, inputs, output: made.append(output))
    torch.manual_seed(0)
    pixels = torch.randint(256, (1, 3, 128, 128), dtype=torch.uint8)
    with torch.no_grad():
        outputs = model(pixels)
        expected = run(emitted.graph, state, (pixels - model.mean) / model.std)
    found = made if isinstance(made[0], torch.Tensor) else made[0]
    for level, x in zip(emitted.summary.neck_returned, found, strict=True):
        assert_equal(x, expected[emitted.graph.graph["neck"][level]])
    check_heads(emitted, outputs, expected)


def check_heads(emitted, outputs, expected):
    names = emitted.graph.graph["names"]
    for component, nodes in emitted.graph.graph["outputs"].items():
        output = outputs if component == "head" else outputs[names[component]]
        for name, node in nodes.items():
            assert_equal(getattr(output, name, output), expected[node])


def assert_equal(found, expected):
    assert found.shape == expected.shape
    assert expected.std() > 1e-3  # values differ
    assert (found - expected).abs().max() <= 2e-5 * expected.abs().max()


# ---- Outputs ----


@pytest.mark.slow
@pytest.mark.sample(
    "levels0-3-resnet18",
    "levels1-1-resnet18",
    "levels2-2-resnet18",
    "levels3-3-resnet18",
    "levels4-1-resnet18",
)
@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("levels", LEVELS)
def test_a_bifpn_makes_what_its_graph_says(levels, layers, backbone):
    neck = bifpn(*levels, layers)
    check_outputs(Emitted(neck, detecting(*levels), backbone=backbone))


@pytest.mark.slow
@pytest.mark.sample(
    "levels0-neck-resnet18",
    "levels1-backbone-resnet18",
    "levels2-neck-resnet18",
    "levels3-backbone-resnet18",
)
@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("source", ["neck", "backbone"])
@pytest.mark.parametrize("levels", LEVELS)
def test_an_fpn_makes_what_its_graph_says(levels, source, backbone):
    neck = fpn(*levels, source)
    check_outputs(Emitted(neck, detecting(*levels), backbone=backbone))


@pytest.mark.sample("neck0")
@pytest.mark.slow
@pytest.mark.parametrize("neck", [bifpn(3, 7), fpn(2, 4), fpn(3, 7, "backbone")])
def test_necks_over_a_wider_backbone(neck):
    levels = neck["bottom_level"], neck["top_level"]
    check_outputs(Emitted(neck, detecting(*levels), backbone="resnet50"))


@pytest.mark.sample(
    "neck1-3", "neck3-6", "neck5-2", "neck7-2", "neck9-5", quick=("neck7-2",)
)
@pytest.mark.parametrize(
    "neck, top_level",
    [
        (bifpn(1, 5), 2),
        (bifpn(2, 7), 3),
        (bifpn(5, 7), 7),
        (bifpn(6, 7, 2), 6),
        (bifpn(3, 4, 2), 5),
        (bifpn(1, 5, channels=64), 2),  # backbone of this width: no resampling
        (bifpn(2, 4, channels=128), 4),  # one level has this width
        (fpn(1, 5, "backbone"), 2),
        (fpn(6, 7, "backbone"), 6),
        (fpn(5, 6, "backbone"), 5),
    ],
)
def test_necks_over_backbones_of_other_depths(neck, top_level):
    head = detecting(neck["bottom_level"], neck["top_level"])
    check_outputs(Emitted(neck, head, top_level=top_level))


# ---- What no head reads ----


@pytest.mark.slow
@pytest.mark.sample(
    "bottom-1", "top-3", "between-2", "gap-2", "lowest-3", "highest-1", "beside-3"
)
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize(
    "heads",
    [
        [detecting(3, 5)],
        [detecting(4, 7)],
        [detecting(4, 5)],
        [detecting(3, 4), classifying(6)],
        [classifying(3)],
        [classifying(7)],
        [classifying(5), classifying(2, "fine")],
    ],
    ids=["bottom", "top", "between", "gap", "lowest", "highest", "beside"],
)
def test_a_bifpn_without_what_no_head_reads(heads, layers):
    emitted = Emitted(bifpn(3, 7, layers), *heads)
    check_outputs(emitted)
    read = max(head.get("top_level", head.get("level")) for head in heads)
    last = f"neck.layers.{layers - 1}.out"
    outs = [key for key in emitted.summary.state if key.startswith(last)]
    assert {int(key.removeprefix(last)[0]) for key in outs} == set(range(3, read + 1))
    # A class of its own for the last layer, where it makes less than those before it.
    assert ("LastBiFPNLayer" in emitted.text) == (read < 7 and layers > 1)


@pytest.mark.slow
@pytest.mark.sample("heads0-kept0", "heads1-kept1", "heads3-kept3")
@pytest.mark.parametrize(
    "heads, kept",
    [
        ([detecting(6, 7)], {"down6", "down7"}),
        ([classifying(6)], {"down6"}),
        ([classifying(3)], {"lateral3", "lateral4", "lateral5", "smooth3"}),
        (
            [detecting(3, 4), classifying(6)],
            {"lateral3", "lateral4", "lateral5", "smooth3", "smooth4", "down6"},
        ),
    ],
)
def test_an_fpn_without_what_no_head_reads(heads, kept):
    emitted = Emitted(fpn(3, 7, "backbone"), *heads)
    check_outputs(emitted)
    neck = [key for key in emitted.summary.state if key.startswith("neck.")]
    assert {key.split(".")[1] for key in neck} == kept


@pytest.mark.sample("neck0", rest="slow")
@pytest.mark.parametrize("neck", [fpn(3, 5), bifpn(3, 5)])
def test_a_head_may_read_the_backbone_beside_the_neck(neck):
    """Level 2 of a small ResNet is as wide as this neck, and the head shares weights."""
    check_outputs(Emitted(neck | {"channels": 64}, detecting(2, 5)))


# ---- Cost ----


@pytest.mark.sample("neck1", "neck3", quick=("neck1",))
@pytest.mark.parametrize(
    "neck",
    [bifpn(3, 7), bifpn(2, 4, 1, 64), fpn(3, 7), fpn(3, 7, "backbone")],
)
def test_parameters_and_macs_are_those_of_the_emitted_model(neck):
    head = detecting(neck["bottom_level"], neck["top_level"])
    emitted = Emitted(neck, head)
    with torch.device("meta"):
        model = emitted.model_class().eval()
        images = torch.zeros(1, 3, 128, 128, dtype=torch.uint8)
        with FlopCounterMode(display=False) as counter:
            model(images)
    parts = {part.module: part for part in emitted.summary.components}
    weights = sum(weight.numel() for weight in model.neck.parameters())
    assert weights == parts["neck"].parameters
    assert counter.get_total_flops() == 2 * emitted.summary.macs


@pytest.mark.sample("2", rest="slow")
@pytest.mark.parametrize("layers", [1, 2])
def test_every_weight_of_a_bifpn_is_learned(layers):
    torch.manual_seed(0)
    model = Emitted(bifpn(3, 6, layers), detecting(3, 5)).model_class().train()
    features = [torch.randn(2, c, s, s) for c, s in ((128, 16), (256, 8), (512, 4))]
    sum(
        x.pow(2).sum() * (k + 1) for k, x in enumerate(model.neck(*features))
    ).backward()
    for name, weight in model.neck.named_parameters():
        assert weight.grad is not None and weight.grad.abs().max() > 0, name


# ---- Text ----


@pytest.mark.slow
@pytest.mark.sample(
    "neck0-7-heads0", "neck2-7-heads2", "neck3-1-heads3", "neck4-5-heads4"
)
@pytest.mark.parametrize(
    "neck, top_level, heads",
    [
        (bifpn(1, 7), 7, [detecting(1, 7)]),
        (bifpn(1, 7), 7, [detecting(1, 6)]),
        (bifpn(1, 7), 7, [classifying(1)]),
        (bifpn(1, 7, 16), 1, [detecting(1, 6), classifying(4)]),
        (fpn(1, 7, "backbone"), 5, [detecting(1, 7)]),
        (fpn(5, 7, "backbone"), 5, [detecting(6, 7)]),
        (fpn(5, 7, "backbone"), 5, [detecting(5, 7)]),
    ],
)
def test_the_widest_necks_fit_the_page(neck, top_level, heads):
    text = Emitted(neck, *heads, top_level=top_level).text
    formatted = format_files({"model.py": text})["model.py"]
    start = formatted.index("# ---- Neck")
    for line in formatted[start:].splitlines():
        assert len(line) <= 88, line
        # A comment that is too long would have its line broken before it.
        assert not line.strip().startswith((")  # (B", "])  #")), line
