"""The flags of all commands, in Markdown, as their help has them."""

from __future__ import annotations

import click


def sections(group: click.Group) -> str:
    """Returns a section for each command: its usage, its help and its flags."""
    context = click.Context(group, info_name="specc")
    lines = ["## Flags", ""]
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        inner = click.Context(command, info_name=name, parent=context)
        lines += [f"### `specc {name}`", "", "```text", command.get_help(inner), "```"]
        lines.append("")
    return "\n".join(lines)
