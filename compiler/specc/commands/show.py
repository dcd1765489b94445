"""The level graph for people (a table) and for programs (JSON)."""

from __future__ import annotations

import json
from dataclasses import asdict

import networkx as nx

from specc.graph.cost import Summary
from specc.scope import Node


def table(summary: Summary) -> str:
    """Returns levels, costs and legal sizes as plain text with aligned columns."""
    parts = [_columns(_level_rows(summary)), _columns(_cost_rows(summary))]
    return "\n\n".join([*parts, "\n".join(_remarks(summary))]) + "\n"


def as_json(graph: nx.DiGraph, summary: Summary) -> str:
    """Returns the whole graph, unused levels included, as networkx's node-link data
    under ``graph``, and the costs under ``summary``."""
    named = nx.relabel_nodes(graph, {node: str(node) for node in graph})
    for node in graph:
        named.nodes[str(node)].update(node._asdict())
    named.graph = _plain(graph.graph)
    costs = asdict(summary) | {
        "buffers": sorted(summary.buffers),
        "parameters": summary.parameters,
        "macs": summary.macs,
        "activation_bytes": summary.activation_bytes,
    }
    data = {"graph": nx.node_link_data(named, edges="edges"), "summary": costs}
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def _level_rows(summary: Summary) -> list[tuple[str, ...]]:
    heads = list(summary.outputs)
    columns = ("level", "stride", "size", "backbone", "neck", *heads, "receptive field")
    rows = [columns]
    for level in summary.levels:
        field = summary.receptive_fields[level.level]
        rows.append(
            (
                str(level.level),
                str(level.stride),
                f"{level.height}x{level.width}",
                _or_blank(level.backbone),
                _or_blank(level.neck),
                *("x" if name in level.heads else "" for name in heads),
                "?" if field is None else str(field),
            )
        )
    return rows


def _cost_rows(summary: Summary) -> list[tuple[str, ...]]:
    rows = [("component", "", "parameters", "GMACs", "activations")]
    for part in (*summary.components, summary):
        module, name = ("total", "") if part is summary else (part.module, part.name)
        rows.append(
            (
                module,
                name,
                f"{part.parameters:,}",
                f"{part.macs / 1e9:.3f}",
                f"{part.activation_bytes / 2**20:.1f} MiB",
            )
        )
    return rows


def _remarks(summary: Summary) -> list[str]:
    height, width = summary.resolution
    heights, widths = (
        " or ".join(map(str, sizes))
        for sizes in (summary.legal_heights, summary.legal_widths)
    )
    lines = [
        f"resolution {height}x{width}, sides in multiples of {summary.divisor}"
        f" (next heights {heights}, widths {widths})",
        "GMACs and activations (float32, an estimate) are those of one image",
    ]
    for component, levels in summary.dropped.items():
        listed = ", ".join(map(str, levels))
        lines.append(f"not emitted, as no head needs it: {component} level {listed}")
    return lines


def _columns(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if _is_text(rows, index) else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in rows
    )


def _is_text(rows: list[tuple[str, ...]], column: int) -> bool:
    return not any(row[column][:1].isdigit() for row in rows[1:])


def _or_blank(number: int | None) -> str:
    return "" if number is None else str(number)


def _plain(value: object) -> object:
    """Returns a value for JSON: nodes become their names, and keys become strings."""
    if isinstance(value, Node):
        return str(value)
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    return value
