import json
from dataclasses import replace
from xml.etree import ElementTree

import networkx as nx
from level_jobs import bifpn, classifier, detector, make_job

from specc.commands.show import as_json, table
from specc.graph.cost import summarize
from specc.graph.diagram import mermaid
from specc.graph.drawing import svg
from specc.graph.levels import build_graph

JOB = make_job("resnet18", 6, (3, 5), [detector(3, 5), classifier(4, "end")], (64, 96))
GRAPH = build_graph(JOB)
SUMMARY = summarize(JOB, GRAPH)


def test_table():
    assert table(SUMMARY) == """\
level  stride   size  backbone  neck  cells  end  receptive field
    1       2  32x48        64                                  7
    2       4  16x24        64                                 43
    3       8   8x12       128    32  x                       467
    4      16    4x6       256    32  x      x                467
    5      32    2x3       512    32  x                       499

component              parameters  GMACs  activations
backbone     resnet18  11,176,512  0.222      3.8 MiB
neck         fpn           56,512  0.002      0.1 MiB
heads.cells  cells         56,483  0.007      0.3 MiB
heads.end    end               99  0.000      0.0 MiB
total                  11,289,606  0.231      4.2 MiB

resolution 64x96, sides in multiples of 32 (next heights 32 or 96, widths 64 or 128)
GMACs and activations (float32, an estimate) are those of one image
not emitted, as no head needs it: backbone level 6
"""


def test_mermaid():
    assert mermaid(GRAPH) == """\
flowchart LR
    image["image: 3x64x96"]
    subgraph backbone["resnet18"]
        backbone1["level 1: 64x32x48"]
        backbone2["level 2: 64x16x24"]
        backbone3["level 3: 128x8x12"]
        backbone4["level 4: 256x4x6"]
        backbone5["level 5: 512x2x3"]
    end
    subgraph neck["fpn"]
        neck3["level 3: 32x8x12"]
        neck4["level 4: 32x4x6"]
        neck5["level 5: 32x2x3"]
    end
    head0["cells"]
    head1["end"]
    image --> backbone1
    backbone1 --> backbone2
    backbone2 --> backbone3
    backbone3 --> backbone4
    backbone3 --> neck3
    backbone4 --> backbone5
    backbone4 --> neck4
    backbone5 --> neck5
    neck5 -->|upsample| neck4
    neck4 -->|upsample| neck3
    neck3 --> head0
    neck4 --> head0
    neck4 --> head1
    neck5 --> head0
"""


def test_a_bifpn_has_arrows_both_ways():
    job = make_job("resnet18", 4, bifpn(3, 5), [detector(3, 5)])
    lines = mermaid(build_graph(job)).splitlines()
    assert '    subgraph neck["bifpn"]' in lines
    assert [line.strip() for line in lines if line.count("neck") == 2] == [
        "neck4 -->|max pool| neck5",
        "neck5 -->|upsample| neck4",
        "neck4 -->|upsample| neck3",
        "neck3 -->|max pool| neck4",
    ]


def test_labels_of_mermaid_are_escaped():
    graph = build_graph(make_job(heads=[classifier(5, 'a"]; click x <b>')]))
    assert 'head0["a#34;#93;#59; click x #60;b#62;"]' in mermaid(graph)


def test_json_is_the_graph():
    data = json.loads(as_json(GRAPH, SUMMARY))
    graph = nx.node_link_graph(data["graph"], edges="edges")
    assert len(graph) == len(GRAPH) and len(graph.edges) == len(GRAPH.edges)
    conv = graph.nodes["backbone.layer2.0.conv1@3"]
    assert conv["step"] == "layer2.0.conv1" and conv["level"] == 3
    assert conv["shape"] == [128, 8, 12]
    assert conv["parameters"] == {"backbone.layer2.0.conv1.weight": [128, 64, 3, 3]}
    assert graph.graph["neck"]["3"] == "neck.smooth3@3"
    assert data["summary"]["parameters"] == SUMMARY.parameters
    assert data["summary"]["levels"][2]["heads"] == ["cells"]


def test_a_wrong_job_can_be_shown():
    job = make_job("resnet18", 5, (6, 7), [classifier(7)])
    graph = build_graph(job)
    summary = summarize(job, graph)
    assert table(summary).startswith("level")
    assert 'head0["kind"]' in mermaid(graph)
    assert json.loads(as_json(graph, summary))["summary"]["divisor"] == 1


def drawn(graph) -> tuple[list[dict], list[dict], list[str]]:
    """Returns the boxes, the arrows and the words of a picture."""
    root = ElementTree.fromstring(svg(graph))
    name = "{http://www.w3.org/2000/svg}"
    boxes, lines = (
        [
            {k: int(v) for k, v in x.attrib.items() if v.isdigit()}
            for x in root.iter(tag)
        ]
        for tag in (f"{name}rect", f"{name}line")
    )
    return boxes, lines, [x.text for x in root.iter(f"{name}text")]


def test_a_picture_has_the_boxes_and_arrows_of_the_diagram():
    boxes, lines, words = drawn(GRAPH)
    text = mermaid(GRAPH)
    assert len(boxes) == text.count('["') - text.count("subgraph")
    assert len(lines) == text.count(" --> ") + text.count(" -->|")
    for shape in ("3x64x96", "64x32x48", "512x2x3", "32x8x12", "cells", "end"):
        assert shape in words
    assert "level 5, stride 32" in words and words.count("upsample") == 2


def test_a_picture_says_in_words_what_it_shows():
    """A screen reader reads the title of a picture, and nothing else of it."""
    root = ElementTree.fromstring(svg(GRAPH))
    (title,) = root.iter("{http://www.w3.org/2000/svg}title")
    assert title.text.startswith("The level graph: ") and root[0] is title
    for name in ("resnet18", "cells", "end"):
        assert name in title.text.split(": ")[1].split(", ")


def test_arrows_begin_and_end_at_boxes():
    boxes, lines, _ = drawn(build_graph(job_with_bifpn()))

    def touches(x: int, y: int) -> bool:
        return any(
            (x in (b["x"], b["x"] + b["width"]) and 0 <= y - b["y"] <= b["height"])
            or (y in (b["y"], b["y"] + b["height"]) and 0 <= x - b["x"] <= b["width"])
            for b in boxes
        )

    assert len(lines) > 12
    for line in lines:
        assert touches(line["x1"], line["y1"]) and touches(line["x2"], line["y2"])


def job_with_bifpn():
    """A job whose neck reads every level both ways, and whose heads read some."""
    return make_job(
        "resnet18", 5, bifpn(3, 6), [detector(3, 6), classifier(4, "end")], (64, 96)
    )


def test_a_head_is_as_tall_as_the_levels_that_it_reads():
    boxes, _, _ = drawn(GRAPH)
    cells, end = boxes[-2:]
    level = boxes[1]["height"]
    assert end["height"] == level and cells["height"] > 3 * level
    rows = sorted({box["y"] for box in boxes[1:6]})
    assert cells["y"] == rows[2] and end["y"] == rows[3]


def test_a_hostile_name_stays_text_of_the_picture():
    name = '</text><script>alert("1")</script>'
    heads = [replace(JOB.heads[0], name=name), JOB.heads[1]]
    _, _, words = drawn(build_graph(replace(JOB, heads=tuple(heads))))
    assert any(word.startswith("</text><scrip") for word in words)
