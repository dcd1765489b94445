"""The flags of `specc diff`."""

from __future__ import annotations

import click


@click.command()
@click.argument("old", default="job.json")
@click.argument("new", required=False)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
    help="For people, for tools, or for a comment on a pull request.",
)
@click.option(
    "--fail-on",
    metavar="CLASS",
    type=click.Choice(
        ["cosmetic", "recipe", "weight-compatible", "weight-breaking"]
        + ["interface-breaking"]
    ),
    help="Exit 1 for changes of this class, and of graver ones: cosmetic, recipe, "
    "weight-compatible, weight-breaking, interface-breaking.",
)
@click.option(
    "--lines/--no-lines",
    default=True,
    help="Say which emitted lines follow from each field.  [default: lines]",
)
def diff(old: str, new: str | None, form: str, fail_on: str | None, lines: bool) -> int:
    """Say what a change of a job means: for weights, for callers, for emitted lines.

    OLD and NEW are job files, folders with a job.json, or `REV:path` of git. With OLD
    alone, the committed job is compared with the one on disk.

    \b
    specc diff
    specc diff main:detector/job.json detector
    specc diff --format markdown --fail-on weight-breaking old.json new.json
    """
    from specc.differences.command import diff

    return diff(old, new, form, fail_on, lines)
