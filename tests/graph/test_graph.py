import json
import os
import subprocess
import sys
from math import prod

import pytest
import torch
from interpreter import random_state, run
from level_jobs import bifpn, classifier, detector, fpn, make_job
from torch.utils.flop_counter import FlopCounterMode

from specc.backbones import TABLES
from specc.graph.levels import build_graph, inputs_of, levels_of, prune

BACKBONE_PARAMETERS = {  # timm's, without the classifier
    "resnet18": 11_176_512,
    "resnet34": 21_284_672,
    "resnet50": 23_508_032,
    "resnet101": 42_500_160,
    "resnet152": 58_143_808,
    "efficientnet_b0": 3_595_388,
    "efficientnet_b1": 6_101_024,
    "efficientnet_b2": 7_202_562,
    "efficientnet_b3": 10_103_336,
    "efficientnet_b4": 16_742_216,
    "efficientnet_b5": 27_288_112,
    "efficientnet_b6": 39_403_992,
    "efficientnet_b7": 62_143_440,
    "efficientnetv2_s": 19_847_248,
    "efficientnetv2_m": 52_200_436,
    "efficientnetv2_l": 116_412_512,
    "mobilenetv2": 1_811_712,
    "mobilenetv2_035": 250_208,
    "mobilenetv2_050": 480_320,
    "mobilenetv2_110": 2_782_400,
    "mobilenetv2_120": 4_056_064,
    "mobilenetv2_140": 3_509_376,
    "mobilenetv3_large": 2_971_952,
    "mobilenetv3_small": 927_008,
}
JOBS = {
    **{f"{name}-fpn": make_job(name, 5, (3, 7), [detector(3, 7)]) for name in TABLES},
    **{f"resnet18-{top}": make_job("resnet18", top) for top in range(1, 8)},
    **{f"resnet50-{top}": make_job("resnet50", top) for top in range(1, 8)},
    "fpn-2-5": make_job("resnet50", 5, (2, 5), [detector(2, 5)]),
    "fpn-3-5": make_job("resnet34", 5, (3, 5), [detector(3, 5, layers=0)]),
    "fpn-4-4": make_job("resnet18", 5, (4, 4), [detector(4, 4)]),
    "fpn-backbone": make_job(
        "resnet18", 5, fpn(3, 7, "backbone"), [detector(3, 7)], (128, 128)
    ),
    "bifpn": make_job("resnet50", 5, bifpn(3, 7), [detector(3, 7)], (128, 256)),
    "bifpn-2-4": make_job("resnet18", 5, bifpn(2, 4, 2, 64), [detector(2, 4)]),
    "bifpn-4-5": make_job("resnet18", 5, bifpn(4, 5, 1), [detector(4, 5)]),
    "deep": make_job("resnet18", 7, (3, 7), [detector(3, 7)], (128, 256)),
    "odd": make_job("resnet18", 7, None, [classifier(7)], (75, 133)),
    "heads": make_job(
        "resnet18", 5, (3, 6), [detector(3, 6), classifier(5), classifier(2, "fine")]
    ),
}


def parameters_of(graph, component):
    shapes = {
        key: shape
        for node, attributes in graph.nodes.data()
        if node.component == component
        for key, shape in attributes["parameters"].items()
    }
    return sum(map(prod, shapes.values()))


@pytest.mark.parametrize("name", TABLES)
def test_backbones_have_the_parameters_of_timm(name):
    graph = build_graph(make_job(name))
    assert parameters_of(graph, "backbone") == BACKBONE_PARAMETERS[name]


@pytest.mark.sample(
    "resnet18-fpn",
    "resnet50-fpn",
    "efficientnet_b0-fpn",
    "efficientnetv2_s-fpn",
    "mobilenetv2_035-fpn",
    "mobilenetv3_large-fpn",
    "mobilenetv3_small-fpn",
    "resnet18-1",
    "resnet50-7",
    "fpn-2-5",
    "fpn-4-4",
    "fpn-backbone",
    "bifpn",
    "bifpn-2-4",
    "deep",
    "odd",
    "heads",
    quick=("resnet18-1", "odd", "heads"),
)
@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
def test_shapes_and_macs_are_those_of_torch(job):
    graph = build_graph(job)
    state = random_state(graph, "meta")
    images = torch.empty(2, 3, *job.data.resolution, device="meta")
    with FlopCounterMode(display=False) as counter:
        results = run(graph, state, images)
    for node, attributes in graph.nodes.data():
        assert results[node].shape == (2, *attributes["shape"]), node
    macs = sum(graph.nodes[node]["macs"] for node in graph)
    assert 2 * macs * len(images) == counter.get_total_flops()


@pytest.mark.parametrize("resolution", [(64, 64), (32, 96)])
def test_the_graph_runs_on_images(resolution):
    job = make_job("resnet18", 5, (3, 7), [detector(3, 7), classifier(5)], resolution)
    graph = build_graph(job)
    results = run(graph, random_state(graph), torch.rand(2, 3, *resolution))
    for node, attributes in graph.nodes.data():
        assert results[node].shape == (2, *attributes["shape"]), node
        assert results[node].isfinite().all(), node


@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
def test_every_map_has_the_stride_of_its_level(job):
    graph = build_graph(job)
    strides = {x: s for x, s in graph.nodes.data("stride") if s is not None}
    assert strides == {x: 2**x.level for x in strides}
    for x, attributes in graph.nodes.data():
        squeezed = ".se." in x.step and not x.step.endswith(".scale")
        assert (attributes["stride"] is None) == (
            squeezed
            or attributes["operation"] in ("global_pool", "linear", "flatten", "concat")
        )


def test_a_bifpn_has_the_parameters_of_efficientdet():
    """64 wide, 3 layers, five levels. The backbone's two levels are as wide as the neck,
    so that nothing is resampled; then efficientdet-pytorch's BiFpn has 115,257 too.
    """
    job = make_job("resnet18", 2, bifpn(1, 5, 3, 64), [classifier(5)], (64, 64))
    separable = 64 * 9 + 64 * 64 + 2 * 64  # depthwise, pointwise, norm; no bias
    weights = 4 * 2 + (3 * 3 + 2)  # four fusions top down, four bottom up
    assert 3 * (8 * separable + weights) == 115_257
    assert parameters_of(build_graph(job), "neck") == 115_257


def test_a_bifpn_resamples_each_level_of_the_backbone_once():
    """efficientdet-pytorch has 255,289 here. It brings level 4 to the common width once
    more (16,512), and level 5 twice (32,896 each): for level 6, and bottom up."""
    job = make_job("resnet18", 5, bifpn(3, 7, 3, 64), [detector(3, 7)], (128, 128))
    resamples = [width * 64 + 2 * 64 for width in (128, 256, 512)]
    assert resamples == [8_320, 16_512, 32_896]
    neck = parameters_of(build_graph(job), "neck")
    assert neck == 115_257 + sum(resamples) == 255_289 - 16_512 - 2 * 32_896


def test_every_level_and_fusion_of_a_bifpn_is_in_the_graph():
    graph = build_graph(make_job("resnet18", 5, bifpn(3, 6, 2), [detector(3, 6)]))
    fusions = [x for x in graph if graph.nodes[x]["operation"] == "fuse"]
    layer = [
        ("mid5", 5),
        ("mid4", 4),
        ("out3", 3),
        ("out4", 4),
        ("out5", 5),
        ("out6", 6),
    ]
    assert [(x.step, x.level) for x in fusions] == [
        (f"layers.{index}.{name}", level) for index in (0, 1) for name, level in layer
    ]
    inputs = {x.step: [y.step for y in inputs_of(graph, x)] for x in fusions}
    assert inputs["layers.0.mid5"] == ["resample5.1", "layers.0.mid5.up"]
    assert inputs["layers.0.mid4"] == ["resample4.1", "layers.0.mid4.up"]
    assert inputs["layers.0.out4"] == [
        "resample4.1",
        "layers.0.mid4.norm",
        "layers.0.out4.down",
    ]
    assert inputs["layers.1.out6"] == ["layers.0.out6.norm", "layers.1.out6.down"]


def test_keys_are_those_of_timm():
    graph = build_graph(make_job("resnet50", 6))
    keys = {
        key for _, x in graph.nodes.data() for key in x["parameters"] | x["buffers"]
    }
    assert {
        "backbone.conv1.weight",
        "backbone.bn1.running_mean",
        "backbone.layer1.0.downsample.0.weight",
        "backbone.layer2.0.downsample.1.num_batches_tracked",
        "backbone.layer3.5.conv3.weight",
        "backbone.layer4.2.bn3.bias",
        "backbone.down6.0.weight",
        "backbone.down6.1.running_var",
        "head.linear.bias",
    } <= keys
    assert not any(key.startswith("backbone.layer1.1.downsample") for key in keys)


def test_levels_inputs_and_outputs_are_easy_to_find():
    job = make_job("resnet18", 5, (3, 6), [detector(3, 6), classifier(2)])
    facts = (graph := build_graph(job)).graph
    shape = {node: graph.nodes[node]["shape"] for node in graph}
    assert {k: shape[x] for k, x in facts["backbone"].items()} == {
        1: (64, 32, 48),
        2: (64, 16, 24),
        3: (128, 8, 12),
        4: (256, 4, 6),
        5: (512, 2, 3),
    }
    assert {k: shape[x] for k, x in facts["neck"].items()} == {
        3: (32, 8, 12),
        4: (32, 4, 6),
        5: (32, 2, 3),
        6: (32, 1, 2),
    }
    assert facts["inputs"]["heads.cells"] == facts["neck"]
    assert facts["inputs"]["heads.kind"] == {2: facts["backbone"][2]}
    outputs = facts["outputs"]
    assert {k: shape[x] for k, x in outputs["heads.cells"].items()} == {
        "logits": (128, 3),
        "bins": (128, 4, 16),
    }
    assert {k: shape[x] for k, x in outputs["heads.kind"].items()} == {"logits": (3,)}
    assert facts["names"]["heads.cells"] == "cells"


def test_weights_of_a_head_are_shared_by_its_levels():
    graph = build_graph(make_job("resnet18", 5, (3, 5), [detector(3, 5, layers=1)]))
    sharing = [x for x in graph if graph.nodes[x]["prefix"] == "head.class_tower.0"]
    assert [x.level for x in sharing] == [3, 4, 5]
    # Two towers of a convolution and a norm, and two convolutions of 3 and 64 channels.
    towers = 2 * (32 * 32 * 9 + 2 * 32)
    assert parameters_of(graph, "head") == towers + (3 + 64) * (32 * 9 + 1)


def test_inputs_keep_their_order():
    graph = build_graph(make_job("resnet18", 5, (3, 5), [detector(3, 5)]))
    for output in graph.graph["outputs"]["head"].values():
        assert [x.level for x in inputs_of(graph, output)] == [3, 4, 5]


def test_prune_keeps_what_the_outputs_need():
    job = make_job("resnet18", 7, (3, 7), [classifier(4)], (128, 256))
    graph = build_graph(job)
    live = prune(graph)
    # Level 4 of the neck is fed from above, up to the backbone's top.
    assert levels_of(live, "neck") == (4, 5, 6, 7)
    assert list(live.graph["neck"]) == [4]
    assert levels_of(graph, "neck") == (3, 4, 5, 6, 7)
    assert list(live) == [x for x in graph if x in live]
    images = torch.empty(1, 3, 128, 256, device="meta")
    assert run(live, random_state(live, "meta"), images).keys() == set(live)


@pytest.mark.parametrize("layers", [1, 2])
def test_prune_drops_the_last_outputs_of_a_bifpn(layers):
    job = make_job("resnet18", 5, bifpn(3, 7, layers), [detector(3, 4)], (128, 128))
    live = prune(build_graph(job))
    last = f"layers.{layers - 1}."
    fusions = [x.step for x in live if live.nodes[x]["operation"] == "fuse"]
    kept = ["mid6", "mid5", "mid4", "out3", "out4"]
    assert [step for step in fusions if last in step] == [last + name for name in kept]
    assert len(fusions) == len(kept) + 8 * (layers - 1)
    assert levels_of(live, "neck") == (3, 4, 5, 6, 7)


def test_a_level_that_nobody_makes_has_a_node_still():
    graph = build_graph(make_job("resnet18", 5, (3, 6), [detector(3, 7)]))
    missing = [x for x in graph if graph.nodes[x]["operation"] == "missing"]
    assert [(x.component, x.level) for x in missing] == [("head", 7)]
    assert graph.nodes[missing[0]]["shape"] == (32, 1, 1)


@pytest.mark.slow
def test_building_imports_neither_torch_nor_numpy():
    code = """
import json, sys
from level_jobs import detector, make_job
from specc.graph.levels import build_graph
from specc.checks.levels import check
from specc.graph.cost import summarize
from specc.commands.show import as_json
job = make_job("resnet50", 5, (3, 7), [detector(3, 7)], (128, 128))
graph = build_graph(job)
text = as_json(graph, summarize(job, graph))
print(json.dumps([check(job, graph), text, sorted({"torch", "numpy"} & set(sys.modules))]))
"""
    texts = set()
    for seed in ("1", "2"):
        environment = os.environ | {
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }
        output = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        findings, text, heavy = json.loads(output)
        assert findings == [] and heavy == []
        texts.add(text)
    assert len(texts) == 1
