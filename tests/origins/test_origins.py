"""`specc why` and `specc where`: the fields behind emitted lines, checked by changing
the fields and building again."""

from __future__ import annotations

import inspect
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from emitted_jobs import GENERATED

from specc import resolve
from specc.build import analyze
from specc.cli import run_cli
from specc.diagnostics import JobError
from specc.folder import record as records
from specc.language.schema import bundled
from specc.origins import answers, report
from specc.origins.answers import EVERY_JOB, YOURS, Line, Reached
from specc.origins.fields import options_of
from specc.origins.folders import JOB, Asked, Folder
from specc.origins.sources import template_text

GOLDENS = sorted(path.parent for path in GENERATED.glob("*/job.json"))
SCENES = GENERATED / "street-scenes"


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
    return Path(shutil.copytree(SCENES, tmp_path / "street-scenes"))


@pytest.fixture(scope="module")
def record() -> Folder:
    return Folder(SCENES)


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
    made = asked(capsys, "where", "/trainer/batch_size", str(SCENES))["fields"]
    job = tmp_path / "other.json"
    job.write_bytes((SCENES / "job.json").read_bytes() + b"\n")
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
                if rule is not resolve._primary_metric:  # the rule of /trainer/best
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
