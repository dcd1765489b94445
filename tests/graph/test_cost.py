from math import prod

import pytest
import torch
from interpreter import random_state, run
from level_jobs import bifpn, classifier, detector, make_job

from specc.graph.cost import Component, legal_sizes, receptive_field, summarize
from specc.graph.levels import build_graph


def summary(*arguments, **keywords):
    job = make_job(*arguments, **keywords)
    return summarize(job, build_graph(job))


def test_levels_of_a_detector():
    found = summary("resnet18", 5, (3, 7), [detector(3, 7)], (128, 160))
    rows = [
        (x.level, x.stride, x.height, x.width, x.cells, x.backbone, x.neck, x.heads)
        for x in found.levels
    ]
    assert rows == [
        (1, 2, 64, 80, 5120, 64, None, ()),
        (2, 4, 32, 40, 1280, 64, None, ()),
        (3, 8, 16, 20, 320, 128, 32, ("cells",)),
        (4, 16, 8, 10, 80, 256, 32, ("cells",)),
        (5, 32, 4, 5, 20, 512, 32, ("cells",)),
        (6, 64, 2, 3, 6, None, 32, ("cells",)),
        (7, 128, 1, 2, 2, None, 32, ("cells",)),
    ]
    assert found.outputs == {"cells": {"logits": (428, 3), "bins": (428, 4, 16)}}
    assert found.backbone_levels == (1, 2, 3, 4, 5)
    assert found.backbone_returned == (3, 4, 5)
    assert found.neck_levels == found.neck_returned == (3, 4, 5, 6, 7)
    assert found.divisor == 32
    assert found.legal_heights == (96, 160) and found.legal_widths == (128, 192)
    assert found.dropped == {}


def test_unused_levels_cost_nothing():
    found = summary("resnet18", 7, (3, 6), [classifier(4)], (128, 128))
    exact = summary("resnet18", 6, (4, 6), [classifier(4)], (128, 128))
    assert found.dropped == {"backbone": (7,), "neck": (3,)}
    assert found.components == exact.components and found.state == exact.state
    # Levels 5 and 6 of the neck feed level 4, and nothing reads them.
    assert found.neck_levels == (4, 5, 6) and found.neck_returned == (4,)
    assert found.divisor == 64


def test_levels_that_only_feed_others_have_a_size():
    found = summary("resnet18", 5, bifpn(3, 7, 2), [detector(3, 4)], (128, 256))
    assert found.neck_levels == (3, 4, 5, 6, 7) and found.neck_returned == (3, 4)
    assert found.neck_read == (3, 4, 5)
    top = found.levels[-1]
    assert (top.level, top.height, top.width, top.neck) == (7, 1, 2, 32)
    assert top.heads == ()
    assert found.receptive_fields[7] > found.receptive_fields[5]
    assert found.divisor == 128 and found.dropped == {}


def test_a_neck_that_no_head_reads_is_no_component():
    found = summary("resnet18", 5, (3, 5), [classifier(2)])
    assert [part.module for part in found.components] == ["backbone", "head"]
    assert found.dropped == {"backbone": (3, 4, 5), "neck": (3, 4, 5)}
    assert found.divisor == 1


def test_costs_of_each_component():
    found = summary("resnet18", 1, None, None, (64, 96))
    stem = 64 * 3 * 7 * 7
    cells = 32 * 48
    assert found.components == (
        Component("backbone", "resnet18", stem + 128, stem * cells, 3 * 4 * 64 * cells),
        Component("head", "kind", 64 * 3 + 3, 64 * 3, 4 * (64 + 3)),
    )
    assert found.parameters == stem + 128 + 195
    assert found.macs == stem * cells + 192
    assert found.state["head.linear.weight"] == (3, 64)
    assert found.buffers == {
        "backbone.bn1.running_mean",
        "backbone.bn1.running_var",
        "backbone.bn1.num_batches_tracked",
    }


def test_parameters_are_those_of_the_state():
    found = summary("resnet50", 5, (3, 7), [detector(3, 7), classifier(5)], (128, 128))
    shapes = [shape for key, shape in found.state.items() if key not in found.buffers]
    assert found.parameters == sum(map(prod, shapes))
    assert found.buffers < found.state.keys()


@pytest.mark.parametrize(
    "name, field",
    [("resnet18", 435), ("resnet34", 899), ("resnet50", 427), ("resnet101", 971)],
)
def test_receptive_fields_of_backbones(name, field):
    found = summary(name)
    assert found.receptive_fields[found.levels[-1].level] == field


@pytest.mark.slow
@pytest.mark.parametrize("neck", [None, (2, 3), bifpn(2, 3, 1)])
def test_receptive_fields_are_what_an_output_depends_on(neck):
    height = 192
    heads = [detector(2, 3)] if neck else [classifier(3)]
    job = make_job("resnet18", 3, neck, heads, (height, 8))
    graph = build_graph(job)
    # A batch of images with one row of nan each shows which rows reach a cell.
    images = torch.zeros(height, 3, height, 8)
    images[range(height), :, range(height)] = torch.nan
    with torch.no_grad():
        results = run(graph, random_state(graph), images)
    for level, node in {**graph.graph["backbone"], **graph.graph["neck"]}.items():
        row = height // 2**level // 2
        seen = int(results[node][:, 0, row, 0].isnan().sum())
        assert seen == receptive_field(graph, node), node


@pytest.mark.parametrize(
    "size, divisor, expected",
    [
        (64, 32, (32, 96)),
        (63, 32, (32, 64)),
        (65, 32, (64, 96)),
        (32, 32, (64,)),
        (5, 32, (32,)),
        (5, 1, (4, 6)),
    ],
)
def test_legal_sizes(size, divisor, expected):
    assert legal_sizes(size, divisor) == expected
