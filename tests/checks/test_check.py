from dataclasses import replace

import networkx as nx
import pytest
from level_jobs import bifpn, classifier, detector, fpn, make_job

from specc.backbones import TABLES
from specc.checks.levels import check, inputs_agree, stride_is_the_level
from specc.graph.levels import build_graph
from specc.scope import Node, Scope


def findings(job):
    return check(job, build_graph(job))


def only(job):
    (finding,) = findings(job)
    return finding


@pytest.mark.sample(
    "neck0-resnet50",
    "neck0-efficientnetv2_l",
    "neck1-efficientnet_b0",
    "neck1-mobilenetv2_035",
    "neck2-efficientnet_b7",
    "neck2-mobilenetv3_small",
)
@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("neck", [(3, 7), (2, 5), (3, 5)])
def test_right_jobs_have_no_findings(name, neck):
    heads = [detector(*neck), classifier(5)]
    assert findings(make_job(name, 5, neck, heads, (128, 160))) == []
    wide = (128, 256)
    assert findings(make_job(name, 5, bifpn(*neck), heads, wide)) == []
    if neck == (3, 7):
        assert findings(make_job(name, 5, fpn(*neck, "backbone"), heads, wide)) == []


@pytest.mark.parametrize("top_level", range(1, 8))
def test_right_jobs_without_a_neck_have_no_findings(top_level):
    assert findings(make_job("resnet50", top_level, None, None, (128, 131))) == []


def a_graph_of(levels, edges):
    """A graph of maps: ``levels`` by name, ``edges`` as (from, to, scale)."""
    graph = nx.DiGraph()
    nodes = {name: Node("backbone", name, level) for name, level in levels.items()}
    for node in nodes.values():
        facts = {"operation": "relu", "stride": 2**node.level, "shape": (8, 4, 4)}
        graph.add_node(node, **facts)
    for order, (x, y, scale) in enumerate(edges):
        graph.add_edge(nodes[x], nodes[y], scale=scale, order=order)
    graph.graph |= {"image": nodes["image"]}
    return graph


def test_the_shortest_path_proves_a_wrong_stride():
    levels = {"image": 0, "a": 1, "b": 2, "c": 2, "d": 3, "e": 3}
    edges = [
        ("image", "a", 1),
        ("a", "b", 1),
        ("b", "c", 0),
        ("c", "d", 1),
        ("b", "d", 0),  # halves once too little
        ("d", "e", 0),
    ]
    job = make_job()
    (finding,) = stride_is_the_level(job, a_graph_of(levels, edges))
    assert finding.code == "E201"
    assert finding.message == (
        "`backbone.d` is on level 3 (stride 8),"
        " a path from the image gives it stride 4"
    )
    assert finding.note == (
        "strides on the shortest such path: image (1) -> a (2) -> b (4) -> d (4)"
    )


def test_strides_are_right_or_found_in_exponentially_many_paths():
    levels = {"image": 0, "x0": 0}
    edges = [("image", "x0", 0)]
    for k in range(60):
        levels |= {f"l{k}": 0, f"r{k}": 0, f"x{k + 1}": 0}
        edges += [(f"x{k}", f"l{k}", 0), (f"x{k}", f"r{k}", 0)]
        edges += [(f"l{k}", f"x{k + 1}", 0), (f"r{k}", f"x{k + 1}", 0)]
    assert not list(stride_is_the_level(make_job(), a_graph_of(levels, edges)))
    edges[-1] = ("r59", "x60", 1)
    (finding,) = stride_is_the_level(make_job(), a_graph_of(levels, edges))
    assert "stride 2" in finding.message


def test_a_stride_left_out_is_found_in_a_real_graph():
    graph = build_graph(make_job("resnet18"))
    conv = Node("backbone", "layer3.0.conv1", 4)
    (source,) = graph.pred[conv]
    graph.edges[source, conv]["scale"] = 0
    found = list(stride_is_the_level(make_job(), graph))
    assert [d.message.split("`")[1] for d in found] == ["backbone.layer3.0.conv1"]
    assert found[0].path == ("model", "backbone")


def meeting(first, second, operation="add"):
    """Findings about two maps of (level, channels, height, width) that are added."""
    graph = nx.DiGraph()
    image = Scope(graph, "image").image((3, 64, 96))
    graph.graph |= {"image": image, "names": {}, "outputs": {}}
    inputs = []
    for step, (level, *shape) in {"a": first, "b": second}.items():
        node = Node("neck", step, level)
        facts = {"operation": "x", "options": {}, "stride": 2**level}
        graph.add_node(node, shape=tuple(shape), **facts)
        inputs.append(node)
    Scope(graph, "neck", first[0]).add("sum", *inputs)
    return [d.message for d in inputs_agree(make_job(neck=(3, 5)), graph)]


def test_maps_that_meet_must_agree():
    assert meeting((3, 32, 8, 12), (3, 32, 8, 12)) == []
    start = "`neck.sum` joins maps of different"
    assert meeting((3, 32, 8, 12), (4, 32, 8, 12)) == [
        f"{start} stride: 8 of `neck.a`, 16 of `neck.b`"
    ]
    assert meeting((3, 32, 8, 12), (3, 64, 8, 12)) == [
        f"{start} channels: 32 of `neck.a`, 64 of `neck.b`"
    ]
    assert meeting((3, 32, 8, 12), (3, 32, 8, 11)) == [
        f"{start} size: 8x12 of `neck.a`, 8x11 of `neck.b`"
    ]


def test_a_head_above_the_neck():
    finding = only(make_job("resnet18", 5, (3, 6), [detector(3, 7)], (128, 128)))
    assert finding.code == "E203"
    assert finding.message == "head `cells` reads level 7, neck `fpn` ends at level 6"
    assert finding.pointer == "/model/heads/0/top_level"
    assert finding.note == "the neck makes levels 3..6 (strides 8..64)"
    assert finding.help == (
        "set /model/neck/top_level to 7, or end the head at level 6"
    )


def test_a_head_above_the_backbone():
    finding = only(make_job("resnet18", 4, None, [classifier(5)]))
    assert finding.code == "E203"
    assert finding.pointer == "/model/heads/0/level"
    assert finding.help == (
        "set /model/backbone/top_level to 5, or let the head read level 4"
    )


def test_every_head_is_reported():
    job = make_job(
        "resnet18", 4, None, [classifier(5), classifier(4, "b"), classifier(6, "c")]
    )
    assert [d.path for d in findings(job)] == [
        ("model", "heads", 0, "level"),
        ("model", "heads", 2, "level"),
    ]


def test_bounds_in_the_wrong_order():
    job = make_job("resnet18", 5, (5, 3), [detector(5, 3)])
    assert [(d.code, d.pointer, d.help) for d in findings(job)] == [
        (
            "E204",
            f"{owner}/bottom_level",
            f"set {owner}/bottom_level to 3, and {owner}/top_level to 5",
        )
        for owner in ("/model/neck", "/model/heads/0")
    ]


def test_a_neck_above_the_backbone():
    finding = only(make_job("resnet18", 4, (5, 6), [detector(5, 6, max_detections=1)]))
    assert finding.code == "E205"
    assert finding.message == (
        "neck `fpn` starts at level 5, backbone `resnet18` ends at level 4"
    )


@pytest.mark.parametrize(
    "level, path, edit",
    [
        (4, "bottom_level", "/model/neck/bottom_level to 3"),
        (1, "top_level", "/model/neck/top_level to 2"),
    ],
)
def test_a_bifpn_of_one_level(level, path, edit):
    job = make_job("resnet18", level, bifpn(level, level), [classifier(level)])
    finding = only(job)
    assert finding.code == "E210"
    assert finding.message == (
        f"neck `bifpn` starts and ends at level {level},"
        " a BiFPN fuses two levels at least"
    )
    assert finding.pointer == f"/model/neck/{path}"
    assert finding.help == f'set {edit}, or /model/neck/kind to "fpn"'


def test_a_bifpn_that_is_wrong_in_several_ways():
    job = make_job("resnet18", 4, bifpn(6, 6), [classifier(6)])
    assert [d.code for d in findings(job)] == ["E205", "E210"]
    job = make_job("resnet18", 5, bifpn(5, 3), [classifier(5)])
    assert [d.code for d in findings(job)] == ["E204"]


def test_a_bifpn_doubles_its_highest_level():
    heads = [detector(3, 7)]
    finding = only(make_job("resnet18", 5, bifpn(3, 7), heads, (320, 256)))
    assert finding.code == "E207"
    assert "320x256 is not a multiple of 128: 320" in finding.message
    assert finding.note.startswith("level 7 (stride 128) is upsampled by two")
    assert finding.help == "set /data/resolution to [256, 256], or to [384, 256]"
    assert findings(make_job("resnet18", 5, (3, 7), heads, (320, 256))) == []


def test_what_is_said_of_levels_that_there_are_not():
    heads = [detector(3, 5)]
    finding = only(make_job("resnet18", 5, fpn(3, 5, "backbone"), heads))
    assert finding.code == "W204"
    assert finding.pointer == "/model/neck/extra_levels_from"
    assert finding.help == (
        "remove /model/neck/extra_levels_from, or set /model/neck/top_level to 6"
    )
    assert findings(make_job("resnet18", 5, fpn(3, 5), heads)) == []


def test_a_neck_starts_in_the_backbone_even_if_that_level_is_not_needed():
    heads = [detector(6, 7)]
    right = make_job("resnet18", 5, fpn(5, 7, "backbone"), heads, (128, 128))
    assert findings(right) == []
    finding = only(make_job("resnet18", 5, fpn(3, 7, "backbone"), heads, (128, 128)))
    assert finding.message == "no head needs levels 3 and 4 of neck `fpn`"
    assert finding.help == "set /model/neck/bottom_level to 5"


def test_shared_weights_over_different_widths():
    finding = only(make_job("resnet18", 5, None, [detector(3, 5)]))
    assert finding.code == "E206"
    assert "128, 256 and 512 channels" in finding.message
    assert finding.help == (
        'set /model/neck to {"kind": "fpn", "bottom_level": 3, "top_level": 5}'
    )
    finding = only(make_job("resnet18", 5, (3, 5), [detector(2, 5)]))
    assert finding.help == "set /model/neck/bottom_level to 2"
    finding = only(make_job("resnet18", 5, (3, 4), [detector(3, 5), classifier(5)]))
    assert finding.help == "set /model/neck/top_level to 5"
    # Levels 1 and 2 of a small ResNet are equally wide.
    assert findings(make_job("resnet18", 2, None, [detector(1, 2)])) == []


@pytest.mark.parametrize(
    "resolution, sizes",
    [
        ((64, 100), "[64, 96], or to [64, 128]"),
        ((33, 96), "[32, 96], or to [64, 96]"),
        ((130, 70), "[128, 64], or to [128, 96], or to [160, 64], or to [160, 96]"),
    ],
)
def test_sizes_that_cannot_be_halved(resolution, sizes):
    job = make_job("resnet18", 5, (3, 5), [detector(3, 5)], resolution)
    finding = only(job)
    assert finding.code == "E207"
    assert finding.help == f"set /data/resolution to {sizes}"


def test_the_sizes_proposed_are_legal_for_all_levels():
    job = make_job("resnet18", 5, (3, 7), [detector(3, 7)], (100, 250))
    found = findings(job)
    assert [d.code for d in found] == ["E207", "E208"]
    assert found[0].help == "set /data/resolution to [128, 256], or to [128, 224]"
    assert found[1].help.startswith("set /data/resolution to [128, 256] or more")
    assert findings(replace(job, data=replace(job.data, resolution=(128, 224)))) == []


def test_only_levels_that_are_upsampled_restrict_sizes():
    assert findings(make_job("resnet18", 5, None, None, (61, 97))) == []
    top_alone = make_job("resnet18", 5, (5, 6), [detector(5, 6)], (97, 97))
    assert findings(top_alone) == []


def test_a_level_larger_than_the_image():
    job = make_job("resnet18", 5, (3, 7), [detector(3, 7)], (96, 160))
    finding = only(job)
    assert finding.code == "E208"
    assert finding.help == (
        "set /data/resolution to [128, 160] or more, or use no level above 6"
    )


@pytest.mark.parametrize(
    "job, help",
    [
        (make_job("resnet18", 6, None, [classifier(3)]), "/model/backbone/top_level to 3"),
        (make_job("resnet18", 5, (3, 5), [classifier(4)]), "/model/neck/bottom_level to 4"),
        (make_job("resnet18", 5, (2, 6), [detector(3, 5)]),
         "/model/neck/top_level to 5 and /model/neck/bottom_level to 3"),
    ],
)  # fmt: skip
def test_unused_levels_are_told(job, help):
    finding = only(job)
    assert finding.code == "W201"
    assert finding.help == f"set {help}"


def test_an_unused_neck_is_told():
    job = make_job("resnet18", 5, (3, 5), [classifier(2)])
    backbone, neck = findings(job)
    assert backbone.message == "no head needs levels 3, 4 and 5 of backbone `resnet18`"
    assert neck.help == 'set /model/neck to {"kind": "none"}'


def test_more_detections_than_cells():
    job = make_job("resnet18", 5, (5, 5), [detector(5, 5, max_detections=7)])
    finding = only(job)
    assert finding.code == "W202"
    assert finding.help == "set /model/heads/0/max_detections to 6 or fewer"


def test_memory_beyond_any_device():
    finding = only(make_job("resnet50", 5, None, None, (8192, 8192)))
    assert finding.code == "W203"
    assert "8192x8192 needs about" in finding.message


def test_all_findings_of_a_job_are_told_together():
    heads = [detector(3, 7), classifier(5), classifier(3, "c")]
    job = make_job("resnet18", 5, (6, 4), heads, (250, 100))
    assert [d.code for d in findings(job)] == ["E203", "E204", "E207", "E208"]
