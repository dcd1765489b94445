"""The level graph: every operation of the model, with its shapes, as a directed graph.

Nodes and edges are described in scope.py. ``graph.graph`` holds:

========== =====================================================================
names      component -> its name in the job: resnet18, fpn, name of the head
image      the node of the image
whole      whether images are processed at their own size, not scaled to the resolution
backbone   level -> the node that ends it
neck       level -> its output; empty without a neck
inputs     head's component -> level -> node that it reads
outputs    head's component -> name of the output -> node
========== =====================================================================
"""

from __future__ import annotations

import networkx as nx

from specc import backbones, heads, necks
from specc.job import Job
from specc.scope import Node, Scope


def build_graph(job: Job) -> nx.DiGraph:
    """Returns the graph of the whole job, unused levels included (see ``prune``).

    A wrong job gives a graph too: bounds in the wrong order are swapped, and a level
    that no component makes is a `missing` node. checks/levels.py reports both.
    """
    graph = nx.DiGraph()
    image = Scope(graph, "image").image((job.data.channels, *job.data.resolution))
    graph.graph |= {
        "names": {},
        "image": image,
        "whole": not job.backbone.resize_input,
        "neck": {},
        "inputs": {},
        "outputs": {},
    }

    net = _component(graph, "backbone", job.backbone.name)
    backbone = backbones.build(net, job.backbone.name, image, job.backbone.top_level)
    graph.graph["backbone"] = backbone

    if job.neck:
        net = _component(graph, "neck", job.neck.kind)
        graph.graph["neck"] = necks.KINDS[job.neck.kind].build(net, job.neck, backbone)

    made = {**backbone, **graph.graph["neck"]}
    for component, head in zip(head_components(job), job.heads):
        net = _component(graph, component, head.name)
        read = {level: net.at(level).read(made) for level in heads.levels_read(head)}
        graph.graph["inputs"][component] = read
        graph.graph["outputs"][component] = heads.HEADS[head.task].build(
            net, head, read
        )
    return graph


def head_components(job: Job) -> tuple[str, ...]:
    """Returns the module of each head: ``head``, or ``heads.<name>`` if there are
    several."""
    if len(job.heads) == 1:
        return ("head",)
    return tuple(f"heads.{head.name}" for head in job.heads)


def prune(graph: nx.DiGraph) -> nx.DiGraph:
    """Returns a copy with only the image and the nodes on which outputs depend."""
    outputs = [x for named in graph.graph["outputs"].values() for x in named.values()]
    live, found = {graph.graph["image"]}, set(outputs)
    while found:
        live |= found
        found = {x for y in found for x in graph.predecessors(y)} - live
    pruned = nx.DiGraph(**graph.graph)
    # A subgraph iterates over a set, in no fixed order.
    pruned.add_nodes_from(item for item in graph.nodes.items() if item[0] in live)
    pruned.add_edges_from(edge for edge in graph.edges.data() if edge[1] in live)
    for component in ("backbone", "neck"):
        levels = graph.graph[component]
        pruned.graph[component] = {k: x for k, x in levels.items() if x in live}
    return pruned


def levels_of(graph: nx.DiGraph, component: str) -> tuple[int, ...]:
    """Returns the levels at which a component has any operation, in order."""
    return tuple(sorted({x.level for x in graph if x.component == component}))


def inputs_of(graph: nx.DiGraph, node: Node) -> list[Node]:
    """Returns the inputs of a node in their order."""
    edges = graph.pred[node]
    return sorted(edges, key=lambda x: edges[x]["order"])


def _component(graph: nx.DiGraph, component: str, name: str) -> Scope:
    graph.graph["names"][component] = name
    return Scope(graph, component)
