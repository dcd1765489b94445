"""The flags of all commands, in Markdown, as their help has them."""

from __future__ import annotations

import click

from specc.cli import cli


def commands() -> str:
    """Returns a section for each command: its help, its usage and its flags."""
    context = click.Context(cli, info_name="specc")
    lines = ["## Flags", ""]
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        inner = click.Context(command, info_name=name, parent=context)
        lines += [f"### `specc {name}`", "", "```text", command.get_help(inner), "```"]
        lines.append("")
    return "\n".join(lines)
