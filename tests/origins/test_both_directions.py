"""`specc why` and `specc where` agree, and other values of fields change just the lines
that they name: all lines, of all examples."""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import chain
from pathlib import Path

import pytest
from emitted_jobs import GENERATED, compile_raw
from other_values import valid_jobs

from specc.build import analyze
from specc.diagnostics import JobError
from specc.emit.format import format_files
from specc.folder.jobfiles import open_job
from specc.origins import answers
from specc.origins.answers import FIELDS
from specc.origins.fields import Option, options_of
from specc.origins.folders import JOB, Asked, Folder
from specc.origins.sheet import Sheet
from specc.origins.values import others_of
from specc.origins.words import WORD

GOLDENS = sorted(path.parent for path in GENERATED.glob("*/job.json"))
FEW = [GENERATED / "street-scenes"]
LINES, LINES_OF_FEW = 200, 2
UNNAMED, DRAWN = 3, 3  # fields that did not make a line; other values of each
SECONDS = 2.5  # most processor time of a question


class Judge:
    """Tells, by other values and builds, whether a field changes a line."""

    def __init__(self, folder: Path):
        self.folder, self.record = folder, Folder(folder)
        self.given = json.loads((folder / JOB).read_bytes())
        self.extras = open_job(str(folder / JOB), folder, several=False).extras
        self.job = analyze((folder / JOB).read_bytes())[0]
        self.options = options_of(self.job, self.given)
        self.raw = self.files(self.given)
        self.reached: dict[str, dict[str, list[int]]] = {}

    def files(self, given: dict) -> dict[str, str]:
        return compile_raw(json.dumps(given).encode(), self.extras).files

    def texts(self, option: Option, path: str, seed: int) -> Iterator[str]:
        """Yields a file as built from jobs with other values of a field, where that
        file is not as it was."""
        for given, _ in valid_jobs(self.given, option, seed, DRAWN):
            text = self.files(given).get(path, "")
            if text != self.raw[path]:
                yield format_files({path: text})[path]

    def known(self, option: Option, path: str) -> Iterator[str]:
        """Yields the file as built with the values that the answer rests on."""
        for given in others_of(option, self.given, self.job):
            try:
                text = self.files(given).get(path, "")
            except (JobError, KeyError, TypeError):  # the changed job is not valid
                continue
            if text != self.raw[path]:
                yield format_files({path: text})[path]

    def lines(self, pointer: str, path: str) -> list[int]:
        """Returns the lines that `specc where` names of a field, in a file."""
        if pointer not in self.reached:
            reach, text = self.record.reach, self.record.recorded
            for one in answers.where(pointer, reach, text, self.record):
                self.reached[one.option.pointer] = one.lines
        return self.reached[pointer].get(path, [])


def is_changed(old: list[str], line: int, new: str) -> bool:
    """Returns whether a line, from 0, is another one in a new text; a line that begins
    with a closing bracket ends a statement, of which any line may be."""
    matcher = SequenceMatcher(None, old, new.splitlines(), autojunk=False)
    kept = {
        index
        for tag, first, last, _, _ in matcher.get_opcodes()
        for index in range(first, last)
        if tag == "equal"
    }
    start = line
    if old[line].lstrip()[:1] in tuple(")]}"):
        indent = len(old[line]) - len(old[line].lstrip())
        start = next(n for n in range(line - 1, -1, -1) if old[n][indent:].strip(" "))
        while old[start][:indent].strip() or old[start][indent] == " ":
            start -= 1
    return not kept.issuperset(range(start, line + 1))


def is_wrapped(line: str, new: str) -> bool:
    """Returns whether the words of a line stand in a new text, in other lines."""
    words = [word for word in WORD.findall(line) if word not in "(),"]
    text = " ".join(word for word in WORD.findall(new) if word not in "(),")
    return f" {' '.join(words)} " in f" {text} "


def lines_to_ask(folders: list[Path], count: int, seed: int) -> list[tuple]:
    draw = random.Random(seed)
    found = []
    while len(found) < count:
        folder = draw.choice(folders)
        paths = [
            x.name for x in folder.glob("*.*") if x.suffix in (".py", ".md", ".txt")
        ]
        path = draw.choice(sorted(paths))
        lines = (folder / path).read_text("utf-8").splitlines()
        number = draw.randrange(len(lines))
        if any(word.isalnum() for word in WORD.findall(lines[number])):
            found.append((folder, path, number + 1))
    return sorted(found)


def faults(questions: list[tuple], seed: int) -> Iterator[str]:
    """Yields what is wrong with the answers to questions, and asks both ways."""
    draw, judge = random.Random(seed), None
    for folder, path, number in questions:
        if judge is None or judge.folder != folder:
            judge = Judge(folder)
        lines = (folder / path).read_text("utf-8").splitlines()
        (line,) = answers.why(Asked(folder, path, number, number), judge.record)
        title = f"{folder.name}/{path}:{number} {line.text.strip()!r}"
        named = {option.pointer for option in line.fields}
        assert bool(named) == (line.kind == FIELDS), title
        others = draw.sample(sorted(judge.options.keys() - named), UNNAMED)
        for pointer in sorted(named):
            option = judge.options[pointer]
            texts = chain(judge.texts(option, path, seed), judge.known(option, path))
            if not any(is_changed(lines, number - 1, text) for text in texts):
                yield f"{title}: {pointer} does not change it"
        for pointer in others:
            for text in judge.texts(judge.options[pointer], path, seed):
                changed = is_changed(lines, number - 1, text)
                if changed and not is_wrapped(line.text, text):
                    yield f"{title}: {pointer} changes it, too"
        for pointer in [*sorted(named), *others[:2]]:
            if (number in judge.lines(pointer, path)) != (pointer in named):
                yield f"{title}: why and where differ about {pointer}"


@pytest.mark.slow
def test_some_lines_are_right_in_both_directions():
    assert list(faults(lines_to_ask(FEW, LINES_OF_FEW, seed=1), seed=2)) == []


@pytest.mark.soak
def test_lines_of_all_goldens_are_right_in_both_directions():
    assert list(faults(lines_to_ask(GOLDENS, LINES, seed=3), seed=4)) == []


@pytest.mark.slow
@pytest.mark.parametrize("folder", GOLDENS, ids=lambda folder: folder.name)
def test_every_line_is_laid_over_the_render(folder):
    record = Folder(folder)
    for path in record.files.keys() - {JOB}:
        sheet = Sheet(record.reach.sources.split(path).words, record.recorded(path))
        assert not sheet.foreign, path


@pytest.mark.soak
@pytest.mark.parametrize("folder", GOLDENS, ids=lambda folder: folder.name)
def test_every_line_has_an_origin(folder):
    record = Folder(folder)
    for path in record.files.keys() - {JOB}:
        number = len(record.recorded(path).splitlines())
        for line in answers.why(Asked(folder, path, 1, number), record):
            assert line.recorded or not line.text.strip(), (path, line.number)


@pytest.mark.soak
@pytest.mark.parametrize("folder", GOLDENS, ids=lambda folder: folder.name)
def test_a_question_takes_little_time(folder):
    for question in (
        ["why", f"{folder}/model.py:30"],
        ["why", f"{folder}/dataset.py:40-60"],
        ["where", "/trainer/batch_size", str(folder)],
        ["where", "/model/backbone/name", str(folder)],
    ):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "specc.cli", *question], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        assert spent <= SECONDS, question
