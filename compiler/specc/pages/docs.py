"""`specc docs`: the documentation as plain text. Pages are files; what is said of the
job language, of tasks and of formats comes from the schema and the explain pages."""

from __future__ import annotations

from collections.abc import Callable

import click

from specc.diagnostics import fail
from specc.language.elsewhere import absent
from specc.language.places import named, plain
from specc.language.schema import head
from specc.pages import language
from specc.resources import names, read_text
from specc.words import did_you_mean

SUFFIX = ".md"
JOB, SKILL = "job", "skill"


def docs(topic: str | None) -> int:
    """Prints a page, or the list of pages with their titles. Raises JobError E429."""
    topics = _topics()
    if topic is None:
        width = max(map(len, topics))
        for name, (title, _) in topics.items():
            click.echo(f"{name:{width}}  {title}")
        click.echo()
        click.echo(
            "An option has a page too: specc docs /trainer/optimizer, or batch_size"
        )
        return 0
    click.echo(_text(topic, topics), nl=False)
    return 0


def _topics() -> dict[str, tuple[str, Callable[[], str]]]:
    """Returns the pages with their titles, and a function that gives each text."""
    files = {
        name.removesuffix(SUFFIX): f"docs/{name}"
        for name in names("docs")
        if name.endswith(SUFFIX) and "/" not in name
    }
    files[SKILL] = "SKILL.md"
    topics = {
        name: (_title(path), lambda path=path: read_text(path))
        for name, path in files.items()
    }
    topics[JOB] = ("The job language: all options", language.job_page)
    for task in language.tasks():
        topics[task] = (head(task)["title"], lambda task=task: _task_page(task))
    for form in language.formats():
        if form not in topics:
            page = lambda form=form: language.format_page(form)
            topics[form] = (f"Format: {language.format_title(form)}", page)
    return topics


def _task_page(task: str) -> str:
    method, native = read_text(f"docs/tasks/{task}.md"), read_text("docs/native.md")
    return language.task_page(task, method, native)


def _title(path: str) -> str:
    """Returns the first heading of a page."""
    lines = read_text(path).splitlines()
    return next(line for line in lines if line.startswith("#")).lstrip("# ")


def _text(topic: str, topics: dict) -> str:
    """Returns the page of a topic; of an option, by its pointer or by any name that it
    has, in whichever place; of a finding, by its code. Raises JobError E429."""
    if topic in topics:
        return topics[topic][1]()
    if topic.startswith("/") and (text := language.option_page(topic)):
        return text
    if f"{topic}{SUFFIX}" in names("explain"):
        return read_text(f"explain/{topic}{SUFFIX}")
    if tasks := language.tasks_called(topic):
        return "\n".join(topics[task][1]() for task in tasks)
    name = topic.replace("/", ".").rpartition(".")[2]  # `trainer.lr`, as others write
    if places := named(name):
        paths = dict.fromkeys(language.pointer(place) for place in places)
        return "\n".join(language.option_page(path) for path in paths)
    if why := absent().get(plain(name)):
        return f"# {name}\n\nA job has no such option: {why}\n"
    if topic.startswith("/"):
        help = "specc docs job lists all options"
        fail("E429", f"the job language has no option `{topic}`", help=help)
    known = ", ".join(topics)
    help = did_you_mean(topic, list(topics)) or f"the pages are {known}"
    fail("E429", f"there is no page `{topic}`", help=help)
