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
    "weight-compatible, weight-breaking, interface-breaking; for any that this version "
    "of specc makes in a folder.",
)
@click.option(
    "--lines/--no-lines",
    default=True,
    help="Say which emitted lines follow from each field.  [default: lines]",
)
def diff(old: str, new: str | None, form: str, fail_on: str | None, lines: bool) -> int:
    """Say what a change of a job means: for weights, for callers, for emitted lines.

    OLD and NEW are job files or folders with a job.json, on disk or as `REV:path` of
    git. With OLD alone, the committed job is compared with the one on disk; a folder
    that specc wrote, with what an edit of its job.json would change in it, or else
    this version of specc.

    \b
    specc diff
    specc diff main:detector/job.json detector
    specc diff --format markdown --fail-on weight-breaking old.json new.json
    """
    from specc.differences.command import diff

    return diff(old, new, form, fail_on, lines)
