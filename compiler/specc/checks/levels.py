"""The rules of the level graph: each a function, all findings reported together."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import product

import networkx as nx

from specc.checks.batches import batch_norm_sees_values
from specc.checks.boxes import boxes_reach_the_sides
from specc.checks.neck import (
    bifpn_has_two_levels,
    extra_levels_are_made,
    heads_read_levels_of_the_neck,
    neck_starts_in_the_backbone,
)
from specc.checks.timm import timm_rules
from specc.checks.widths import shared_weights_fit
from specc.diagnostics import (
    Diagnostic,
    Edit,
    Path,
    certain,
    likely,
    put,
)
from specc.graph.cost import (
    FLOAT_BYTES,
    divisor,
    dropped_levels,
    elements,
    legal_sizes,
    same_padded_level,
    upsampled_level,
)
from specc.graph.levels import head_components, inputs_of, levels_of, prune
from specc.job import Head, Job, Neck
from specc.scope import Node
from specc.words import number_of

NO_NECK = ' to {"kind": "none"}'  # null would derive a neck for heads over levels
MEMORY_LIMIT = 16 * 2**30  # bytes of activations for one image


def check(job: Job, graph: nx.DiGraph) -> list[Diagnostic]:
    """Returns the errors (E2xx) and warnings (W2xx) about the job's levels."""
    rules = (*STRUCTURE, *timm_rules(job))
    described = [d for rule in rules for d in rule(job, graph)]
    live = prune(graph)
    return described + [d for rule in EMITTED for d in rule(job, live)]


def stride_is_the_level(job: Job, graph: nx.DiGraph) -> Iterator[Diagnostic]:
    """E201: along every path from the image, the strides multiply to 2^level."""
    image = graph.graph["image"]
    # A state is a node and the level reached on the way to it: all paths are covered,
    # though there are exponentially many, and breadth first finds the shortest ones.
    came_from: dict[tuple[Node, int], tuple[Node, int] | None] = {(image, 0): None}
    queue = deque(came_from)
    told = set()
    while queue:
        x, reached = state = queue.popleft()
        for y, edge in graph.adj[x].items():
            following = (y, reached + edge["scale"])
            if following in came_from or graph.nodes[y]["stride"] is None:
                continue
            came_from[following] = state
            if following[1] == y.level:
                queue.append(following)
            elif y not in told:
                told.add(y)
                yield _wrong_stride(job, came_from, following)


def inputs_agree(job: Job, graph: nx.DiGraph) -> Iterator[Diagnostic]:
    """E202: maps that are added agree in level, channels and size."""
    height, width = job.data.resolution
    by = divisor(graph)
    # Sizes that do not halve evenly disagree wherever they are doubled: E207 says that.
    sizes_too = height % by == 0 and width % by == 0
    for node in graph:
        if graph.nodes[node]["operation"] not in ("add", "fuse", "concat"):
            continue
        first, *others = inputs_of(graph, node)
        facts = _meeting_facts(graph, first, sizes_too)
        for other in others:
            for name, here in _meeting_facts(graph, other, sizes_too).items():
                if here != facts[name]:
                    yield Diagnostic(
                        "E202",
                        f"`{node.component}.{node.step}` joins maps of different"
                        f" {name}: {facts[name]} of `{first.component}.{first.step}`,"
                        f" {here} of `{other.component}.{other.step}`",
                        _component_path(job, node.component),
                        "choose another kind: this one cannot join its levels",
                    )


def heads_read_what_is_made(job: Job, graph: nx.DiGraph) -> Iterator[Diagnostic]:
    """E203: every level that a head reads is made by the neck or the backbone."""
    for index, (component, head) in enumerate(zip(head_components(job), job.heads)):
        read = graph.graph["inputs"][component]
        known = max(graph.graph["backbone"])  # lower levels that timm lacks are E223
        missing = [k for k, x in read.items() if _is_missing(graph, x) and k > known]
        if not missing or _inverted(head):
            continue
        maker, made = _maker(graph, min(read))
        kind = graph.graph["names"][maker]
        asked, top = missing[-1], max(made)
        field = "level" if hasattr(head, "level") else "top_level"
        if missing[0] > min(read):
            instead = f"end the head at level {top}"
        else:
            instead = f"let the head read level {top}"
        yield Diagnostic(
            "E203",
            f"head `{head.name}` reads level {asked},"
            f" {maker} `{kind}` ends at level {top}",
            ("model", "heads", index, field),
            f"set /model/{maker}/top_level to {asked}, or {instead}",
            f"the {maker} makes levels {min(made)}..{top}"
            f" (strides {2 ** min(made)}..{2**top})",
            edit=likely(put(("model", maker, "top_level"), asked)),
        )


def bounds_in_order(job: Job, graph: nx.DiGraph) -> Iterator[Diagnostic]:
    """E204: bottom_level is not above top_level."""
    owners = (
        [(f"neck `{job.neck.kind}`", job.neck, ("model", "neck"))] if job.neck else []
    )
    for index, head in enumerate(job.heads):
        if not hasattr(head, "level"):
            owners.append((f"head `{head.name}`", head, ("model", "heads", index)))
    for name, owner, path in owners:
        bottom, top = owner.bottom_level, owner.top_level
        if _inverted(owner):
            where = "/" + "/".join(map(str, path))
            yield Diagnostic(
                "E204",
                f"{name} starts at level {bottom} and ends at level {top}",
                (*path, "bottom_level"),
                f"set {where}/bottom_level to {top}, and {where}/top_level to {bottom}",
                edit=certain(
                    put((*path, "bottom_level"), top), put((*path, "top_level"), bottom)
                ),
            )


def resolution_halves_evenly(job: Job, live: nx.DiGraph) -> Iterator[Diagnostic]:
    """E207: the resolution is a multiple of the stride of what is upsampled."""
    by = divisor(live)
    sides = job.data.resolution
    wrong = [side for side in sides if side % by]
    if not wrong:
        return
    sizes = list(product(*(_legal_sides(live, side) for side in sides)))
    sizes.sort(key=lambda s: abs(s[0] - sides[0]) + abs(s[1] - sides[1]))
    listed = ", or to ".join(f"[{h}, {w}]" for h, w in sizes)
    yield Diagnostic(
        "E207",
        f"resolution {sides[0]}x{sides[1]} is not a multiple of {by}:"
        f" {_and(dict.fromkeys(wrong))} cannot be halved evenly"
        f" {by.bit_length() - 1} times",
        ("data", "resolution"),
        f"set /data/resolution to {listed}",
        _why_even(job, live),
        edit=likely(put(("data", "resolution"), list(sizes[0]))),
    )


def _why_even(job: Job, live: nx.DiGraph) -> str:
    by = divisor(live)
    level = by.bit_length() - 1
    if upsampled_level(live) == level:
        return (
            f"level {level} (stride {by}) is upsampled by two,"
            " and must then have the size of the level below it"
        )
    if same_padded_level(live) < level:
        return (
            f"`{job.backbone.name}` meets images of any size, padded to a multiple of its"
            " highest stride: only then are its maps known to have their size"
        )
    return (
        f"the weights of `{job.backbone.name}` expect TensorFlow's padding, which is"
        f" the same for all images only if each halving down to level {level} is of an"
        " even map"
    )


def levels_have_a_cell(job: Job, live: nx.DiGraph) -> Iterator[Diagnostic]:
    """E208: no level has a stride larger than the image."""
    height, width = job.data.resolution
    highest = _highest(live)
    if 2**highest <= min(height, width):
        return
    stride = 2**highest
    fits = min(height, width).bit_length() - 1
    sides = [_legal_sides(live, max(side, stride))[-1] for side in (height, width)]
    yield Diagnostic(
        "E208",
        f"level {highest} has stride {stride},"
        f" more than a side of the resolution {height}x{width}",
        ("data", "resolution"),
        f"set /data/resolution to {sides} or more, or use no level above {fits}",
        "a cell of such a level would lie mostly outside the image",
        edit=likely(put(("data", "resolution"), sides)),
    )


def levels_are_used(job: Job, graph: nx.DiGraph) -> Iterator[Diagnostic]:
    """W201: some head depends on every level of backbone and neck."""
    if any(_is_missing(graph, x) for x in graph):
        return  # a missing level is E203, and its reader may need the other levels
    live = prune(graph)
    for component, gone in dropped_levels(graph, live).items():
        kept = levels_of(live, component)
        if kept:  # a neck starts in the backbone, though it need not emit that level
            start = min(kept[0], max(graph.graph["backbone"]))
            gone = tuple(k for k in gone if not start <= k <= kept[-1])
        if not gone:
            continue
        edits = {}
        if kept and gone[-1] > kept[-1]:
            edits["top_level"] = kept[-1]
        if kept and gone[0] < kept[0]:
            edits["bottom_level"] = start
        owner = f"/model/{component}"
        steps = [f"{owner}/{field} to {level}" for field, level in edits.items()]
        yield Diagnostic(
            "W201",
            f"no head needs {_levels(gone)} of {component}"
            f" `{graph.graph['names'][component]}`",
            ("model", component, *list(edits)[:1]),
            f"set {' and '.join(steps) or owner + NO_NECK}",
            "what no head needs is not emitted",
            edit=_unused_left_out(component, edits),
        )


def detections_have_cells(job: Job, live: nx.DiGraph) -> Iterator[Diagnostic]:
    """W202: a detector has as many cells as it may return detections."""
    for index, (component, head) in enumerate(zip(head_components(job), job.heads)):
        if not hasattr(head, "max_detections"):
            continue
        logits = live.graph["outputs"][component]["logits"]
        cells = live.nodes[logits]["shape"][0]
        if head.max_detections > cells:
            most = number_of(head.max_detections, "detection")
            yield Diagnostic(
                "W202",
                f"head `{head.name}` may return {most},"
                f" its levels have {number_of(cells, 'cell')}",
                ("model", "heads", index, "max_detections"),
                f"set /model/heads/{index}/max_detections to {cells} or fewer",
                "each cell predicts one box, which seldom has more than one category",
                edit=likely(put(("model", "heads", index, "max_detections"), cells)),
            )


def one_image_fits_in_memory(job: Job, live: nx.DiGraph) -> Iterator[Diagnostic]:
    """W203: the activations of one image fit into the memory of devices."""
    needed = FLOAT_BYTES * sum(elements(live.nodes[x]) for x in live)
    if needed > MEMORY_LIMIT:
        height, width = job.data.resolution
        yield Diagnostic(
            "W203",
            f"a single image of {height}x{width} needs about"
            f" {needed / 2**30:.0f} GiB of activations in float32",
            ("data", "resolution"),
            "lower /data/resolution",
            "training keeps them for every image of a batch",
        )


STRUCTURE = (  # rules of the whole graph
    stride_is_the_level,
    inputs_agree,
    heads_read_what_is_made,
    bounds_in_order,
    neck_starts_in_the_backbone,
    bifpn_has_two_levels,
    shared_weights_fit,
    levels_are_used,
    extra_levels_are_made,
    heads_read_levels_of_the_neck,
)
EMITTED = (  # rules of the graph without the unused levels
    resolution_halves_evenly,
    levels_have_a_cell,
    detections_have_cells,
    boxes_reach_the_sides,
    batch_norm_sees_values,
    one_image_fits_in_memory,
)


def _wrong_stride(job: Job, came_from: dict, state: tuple) -> Diagnostic:
    node, reached = state
    steps = []
    while state:
        steps.append(state)
        state = came_from[state]
    steps.reverse()
    # Only steps at which the stride changes are shown: they prove the finding.
    turns = [s for before, s in zip(steps, steps[1:]) if s[1] != before[1]]
    shown = dict.fromkeys([steps[0], *turns, steps[-1]])
    proof = " -> ".join(f"{x.step} ({_stride(level)})" for x, level in shown)
    return Diagnostic(
        "E201",
        f"`{node.component}.{node.step}` is on level {node.level}"
        f" (stride {_stride(node.level)}),"
        f" a path from the image gives it stride {_stride(reached)}",
        _component_path(job, node.component),
        "choose another kind: this one does not keep its levels",
        f"strides on the shortest such path: {proof}",
    )


def _maker(graph: nx.DiGraph, level: int) -> tuple[str, dict[int, Node]]:
    """Returns the component that should make a head's levels, and the levels it
    makes."""
    backbone, neck = graph.graph["backbone"], graph.graph["neck"]
    if level in neck or max(neck, default=0) > max(backbone):
        return "neck", neck
    return "backbone", backbone


def _legal_sides(live: nx.DiGraph, side: int) -> list[int]:
    """Returns the nearest sizes from which all levels can be made."""
    by, largest = divisor(live), 2 ** _highest(live)
    sides = [side] if side % by == 0 else legal_sizes(side, by)
    return [near for near in sides if near >= largest] or [largest]


def _highest(graph: nx.DiGraph) -> int:
    return max(x.level for x in graph)


def _stride(level: int) -> str:
    return str(2**level) if level >= 0 else f"1/{2**-level}"


def _meeting_facts(graph: nx.DiGraph, x: Node, sizes_too: bool) -> dict[str, object]:
    """Returns the values that joined maps must share; for lists of cells, the width."""
    shape, stride = graph.nodes[x]["shape"], graph.nodes[x]["stride"]
    if stride is None:
        return {"width": shape[1:]}
    facts = {"stride": stride, "channels": shape[0]}
    return {**facts, "size": f"{shape[1]}x{shape[2]}"} if sizes_too else facts


def _unused_left_out(component: str, edits: dict[str, int]) -> Edit:
    """Returns the edit of W201; the emitted code stays as it is."""
    path = ("model", component)
    if not edits:
        return certain(put(path, {"kind": "none"}))
    return certain(*(put((*path, field), level) for field, level in edits.items()))


def _component_path(job: Job, component: str) -> Path:
    if component in ("backbone", "neck"):
        return ("model", component)
    return ("model", "heads", head_components(job).index(component))


def _inverted(owner: Neck | Head) -> bool:
    return hasattr(owner, "bottom_level") and owner.bottom_level > owner.top_level


def _is_missing(graph: nx.DiGraph, node: Node) -> bool:
    return graph.nodes[node]["operation"] == "missing"


def _levels(levels: tuple[int, ...]) -> str:
    return f"level{'s' if len(levels) > 1 else ''} {_and(levels)}"


def _and(values: Iterable) -> str:
    *most, last = map(str, values)
    return f"{', '.join(most)} and {last}" if most else last
