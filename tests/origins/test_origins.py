"""`specc why` and `specc where`: the fields behind emitted lines, checked by changing
the fields and building again."""

from __future__ import annotations

import inspect
import json
import random
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from difflib import SequenceMatcher
from itertools import chain
from pathlib import Path

import pytest
from emitted_jobs import GENERATED, compile_raw
from other_values import valid_jobs

from specc import resolve
from specc.build import analyze
from specc.cli import run_cli
from specc.diagnostics import JobError
from specc.emit.format import format_files
from specc.folder import record as records
from specc.folder.jobfiles import open_job
from specc.language.schema import bundled
from specc.origins import answers, report
from specc.origins.answers import EVERY_JOB, FIELDS, YOURS, Line, Reached
from specc.origins.fields import Option, options_of
from specc.origins.folders import JOB, Asked, Folder
from specc.origins.sheet import Sheet
from specc.origins.sources import template_text
from specc.origins.values import others_of
from specc.origins.words import WORD

GOLDENS = sorted(path.parent for path in GENERATED.glob("*/job.json"))
FEW = [GENERATED / "street-scenes"]
LINES, LINES_OF_FEW = 200, 2
UNNAMED, DRAWN = 3, 3  # fields that did not make a line; other values of each
SECONDS = 2.5  # most processor time of a question


def number_of(folder: Path, path: str, start: str) -> int:
    """Returns the number of the one line that begins with a text."""
    lines = (folder / path).read_text("utf-8").splitlines()
    (found,) = [n for n, line in enumerate(lines, 1) if line.strip().startswith(start)]
    return found


def asked(capsys, *arguments: str) -> dict:
    assert run_cli([*arguments, "--format", "json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def scenes(tmp_path) -> Path:
    return Path(
        shutil.copytree(GENERATED / "street-scenes", tmp_path / "street-scenes")
    )


@pytest.fixture(scope="module")
def record() -> Folder:
    return Folder(FEW[0])


@pytest.fixture
def why(record) -> Callable[[str, str], Line]:
    """Asks about the line of a file that begins with a text."""

    def ask(path: str, start: str) -> Line:
        number = number_of(record.home, path, start)
        (line,) = answers.why(Asked(record.home, path, number, number), record)
        return line

    return ask


# ---- answers ----


@pytest.mark.slow
def test_a_given_field_and_its_constant(capsys, scenes):
    number = number_of(scenes, "train.py", "CLIP_NORM = ")
    (line,) = asked(capsys, "why", f"{scenes}/train.py:{number}")["lines"]
    assert line["text"] == "CLIP_NORM = 1.0" and line["recorded"] == [number]
    (field,) = line["fields"]
    assert field["pointer"] == "/trainer/gradient_clipping"
    assert (field["value"], field["origin"]) == (1.0, "given")
    text = bundled()["$defs"]["trainer"]["properties"]["gradient_clipping"]
    assert field["description"] == text["description"]
    assert line["templates"][0] == {"file": "templates/constants.py.jinja", "line": 2}
    assert line["templates"][1]["file"] == "templates/train.py.jinja"
    (rule,) = line["rules"]
    assert rule.startswith("train_constants, compiler/specc/plan/train.py:")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, path, start, pointer",
    [
        ("rooms", "runtime.py", "values = self.session.run", "/export"),
        ("rooms", "export.py", "def forward(", "/export"),
        ("photos", "samples.py", "self.columns = columns", "/data/keep_samples"),
    ],
)
def test_a_file_that_a_job_may_lack_follows_from_the_field_that_asks_for_it(
    capsys, name, path, start, pointer
):
    """Each line of it, also one that is the same in all jobs that have the file."""
    folder = GENERATED / name
    number = number_of(folder, path, start)
    (line,) = asked(capsys, "why", f"{folder}/{path}:{number}")["lines"]
    assert pointer in [field["pointer"] for field in line["fields"]]
    found = asked(capsys, "where", pointer, str(folder))["fields"]
    assert any(number in one["lines"].get(path, ()) for one in found)


@pytest.mark.slow
def test_a_line_under_a_condition_names_the_field_that_it_tests(why):
    line = why("train.py", "def follow(")
    assert [field.pointer for field in line.fields] == ["/trainer/ema"]
    assert line.places[0][0] == "train/follow.py.jinja"
    assert any("section" in template_text(*place) for place in line.conditions)


@pytest.mark.slow
def test_a_derived_value_names_its_rule(why):
    line = why("train.py", "BEST = ")
    by_pointer = {field.pointer: field for field in line.fields}
    best = by_pointer["/trainer/best"]
    assert best.value == "street/mean_iou" and best.origin == "derived"
    name, place = best.rule.split(", ")
    file, row = place.rsplit(":", 1)
    source = (GENERATED.parent / file).read_text("utf-8").splitlines()
    assert source[int(row) - 1].startswith(f"def {name}(")
    assert "/model/heads/street/name" in by_pointer  # the rule reads it


def test_a_line_of_no_field_is_in_every_job(why, record):
    line = why("train.py", 'if __name__ == "__main__"')
    assert line.kind == EVERY_JOB and line.fields == []
    (place,) = line.places
    assert template_text(*place) == line.text
    shown = report.why_text(Asked(record.home, "train.py", 1, 1), [line])
    assert "in every job" in shown and f"templates/{place[0]}:{place[1]}" in shown


@pytest.mark.slow
def test_where_a_field_reaches_and_where_it_does_not(record):
    def where(pointer: str) -> list[Reached]:
        return answers.where(pointer, record.reach, record.recorded, record)

    (one,) = where("/trainer/gradient_clipping")
    order = record.reach.base.cut.paths  # not one that differs by the process
    assert list(one.lines) == sorted(one.lines, key=order.index)
    number = number_of(record.home, "train.py", "CLIP_NORM = ")
    assert number in one.lines["train.py"]
    text = (record.home / "resolved.json").read_text("utf-8").splitlines()
    (row,) = one.lines["resolved.json"]
    assert "gradient_clipping" in text[row - 1]
    assert where("/model/heads/0/channels") == where("/model/heads/street/channels")
    (none,) = where("/trainer/slurm")
    assert "slurm.sbatch" in none.adds and "train.py" not in none.lines
    (alone,) = where("/data/group")  # only a job without a validation set may have one
    assert not alone.is_free and not alone.lines
    assert "no other value" in report.where_text(record.home, [alone])


@pytest.mark.slow
def test_a_job_without_a_folder_has_the_lines_of_its_build(capsys, tmp_path):
    made = asked(capsys, "where", "/trainer/batch_size", str(FEW[0]))["fields"]
    job = tmp_path / "other.json"
    job.write_bytes((FEW[0] / "job.json").read_bytes() + b"\n")
    found = asked(capsys, "where", "/trainer/batch_size", str(job))
    assert found["folder"] is None and found["fields"] == made


@pytest.mark.slow
def test_edits_are_mapped_through_the_record(scenes):
    path, folder = scenes / "train.py", Folder(scenes)
    lines = path.read_text("utf-8").splitlines()
    before = number_of(scenes, "train.py", "CLIP_NORM = ")
    lines[before - 1] = "CLIP_NORM = 3.0  # of ours"
    lines.insert(1, "# A line of ours.")
    path.write_text("\r\n".join(lines), "utf-8", newline="")

    def why(first: int, last: int) -> list[Line]:
        return answers.why(Asked(scenes, "train.py", first, last), folder)

    (line,) = why(before + 1, before + 1)
    assert line.is_edited and line.recorded == [before]
    assert [x.pointer for x in line.fields] == ["/trainer/gradient_clipping"]
    first, own, _, last = why(1, 4)
    assert own.kind == YOURS and own.recorded == []
    assert (first.recorded, last.recorded) == ([1], [3])
    assert not first.is_edited and first.text == lines[0]
    pointer = "/trainer/gradient_clipping"
    (one,) = answers.where(pointer, folder.reach, folder.recorded, folder)
    assert before + 1 not in one.lines["train.py"]
    assert one.lost == {"train.py": 1}


@pytest.mark.slow
def test_the_readme_of_a_folder_with_tests_names_them(capsys):
    folder = GENERATED / "shapes-and-scenes"
    assert (folder / "test_contract.py").exists()
    number = number_of(folder, "README.md", "| `test_contract.py`")
    (line,) = asked(capsys, "why", f"{folder}/README.md:{number}")["lines"]
    assert line["templates"][0]["file"] == "templates/README.md.jinja"


@pytest.mark.slow
def test_every_derived_value_has_a_rule_that_names_its_field():
    derived = 0
    for folder in GOLDENS:
        data = (folder / JOB).read_bytes()
        for option in options_of(analyze(data)[0], json.loads(data)).values():
            if option.origin == "derived":
                derived += 1
                rule = vars(resolve)[option.rule.split(",")[0]]
                if rule is not resolve._primary_metric:  # of /trainer/best
                    assert f'"{option.path[-1]}"' in inspect.getsource(rule)
    assert derived > 30


# ---- what cannot be answered ----


@pytest.mark.parametrize(
    "place, code, words",
    [
        ("train.py", "E416", "names no line"),
        ("train.py:0", "E416", "names no lines"),
        ("train.py:9-3", "E416", "names no lines"),
        ("train.py:99999", "E416", "lines, not 99999"),
        ("trian.py:3", "E416", "there is no such file"),
        ("notes.md:1", "E416", "specc did not write"),
        ("job.json:3", "E416", "is the job itself"),
    ],
)
def test_a_wrong_place_is_one_message(capsys, scenes, place, code, words):
    (scenes / "notes.md").write_text("mine\n", "utf-8")
    assert run_cli(["why", f"{scenes}/{place}"]) == 1
    found = capsys.readouterr()
    assert code in found.err and words in found.err and not found.out


def test_a_folder_without_a_sound_record(capsys, scenes, tmp_path):
    (scenes / ".specc" / "manifest.json").write_text("<<<<<<<", "utf-8")
    assert run_cli(["why", f"{scenes}/train.py:3"]) == 1
    assert "damaged" in capsys.readouterr().err
    shutil.rmtree(scenes / ".specc")
    assert run_cli(["why", f"{scenes}/train.py:3"]) == 1
    assert run_cli(["where", "/name", str(scenes)]) == 1
    assert capsys.readouterr().err.count("E416") == 2


@pytest.mark.slow
def test_an_unknown_pointer_names_near_ones(capsys, scenes):
    for pointer, near in [
        ("/trainer/learning_rate", "/trainer/optimizer/learning_rate"),
        ("/trainer/lr", "/trainer/optimizer/learning_rate"),
        ("/trainer/batchsize", "/trainer/batch_size"),
        ("/model/heads/steet/channels", "/model/heads/street/channels"),
    ]:
        assert run_cli(["where", pointer, str(scenes)]) == 1
        message = capsys.readouterr().err
        assert "E417" in message and f"`{near}`" in message


@pytest.mark.slow
def test_a_record_of_other_templates(scenes):
    text = records.pristine(scenes, "train.py")
    text = text.replace("CLIP_NORM = 1.0", "NORM_LIMIT = (1.0, 2.0)")
    known = records.read(scenes)
    texts = known.texts | {"train.py": text.encode()}
    for path, data in records.record_of(texts, known.job).items():
        (scenes / path).write_bytes(data)
    (scenes / "train.py").write_text(text, "utf-8")
    number, folder = number_of(scenes, "train.py", "NORM_LIMIT"), Folder(scenes)
    with pytest.raises(JobError, match="E418: .* writes lines"):
        answers.why(Asked(scenes, "train.py", number, number), folder)
    next_one = number_of(scenes, "train.py", "WEIGHTS = ")
    (line,) = answers.why(Asked(scenes, "train.py", next_one, next_one), folder)
    assert "/trainer/initialization/weights" in [x.pointer for x in line.fields]


# ---- right in both directions ----


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
            except (JobError, KeyError, TypeError):  # it is no valid job
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
