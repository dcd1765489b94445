"""`specc docs`: pages of the documentation, as plain text."""

from __future__ import annotations

import click

from specc.diagnostics import fail
from specc.resources import names, read_text
from specc.words import did_you_mean

SUFFIX = ".md"


def docs(topic: str | None) -> int:
    """Prints a page, or the list of pages with their titles. Raises JobError E429."""
    pages = [
        name.removesuffix(SUFFIX) for name in names("docs") if name.endswith(SUFFIX)
    ]
    if topic is None:
        width = max(map(len, pages))
        for name in pages:
            title = read_text(f"docs/{name}{SUFFIX}").splitlines()[0].lstrip("# ")
            click.echo(f"{name:{width}}  {title}")
        return 0
    if topic not in pages:
        known = ", ".join(pages)
        help = did_you_mean(topic, pages) or f"the pages are {known}"
        fail("E429", f"there is no page `{topic}`", help=help)
    click.echo(read_text(f"docs/{topic}{SUFFIX}"), nl=False)
    return 0
