"""The driver: the same job gives the same bytes, and an unchanged one costs nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from emitted_jobs import compile_raw
from processes import python

from specc import build, cli
from specc.analysis import analyze as passes
from specc.commands import verify
from specc.diagnostics import Diagnostic, JobError
from specc.folder import stamps
from specc.folder.stamps import Stamp
from specc.resources import install

HEAVY = {"networkx", "jsonschema", "jinja2", "black", "torch"}
CLASSIFIER = {
    "name": "cells",
    "data": {"train": "data/train", "resolution": [64, 64]},
    "model": {
        "heads": [{"task": "multiclass_classification", "categories": ["a", "b"]}]
    },
}
DETECTOR = CLASSIFIER | {
    "name": "finder",
    "data": {"train": "data/train", "resolution": [256, 256]},
    "model": {"heads": [{"task": "object_detection", "categories": ["a", "b"]}]},
}
WRONG = CLASSIFIER | {"trainer": {"batch_size": 0}}


pytestmark = pytest.mark.usefixtures("place")


def encoded(job: dict) -> bytes:
    return json.dumps(job).encode()


def run_code(code: str, **changes: str) -> str:
    """Stdout of a fresh process that can import specc."""
    done = python("-c", code, **changes)
    assert done.returncode == 0, done.stderr
    return done.stdout


each_job = pytest.mark.parametrize(
    "job",
    [pytest.param(CLASSIFIER, marks=pytest.mark.soak), DETECTOR],
    ids=["classifier", "detector"],
)


def tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.slow
@each_job
def test_the_same_job_gives_the_same_bytes(place, job):
    Path("job.json").write_bytes(encoded(job))
    for seed in ("1", "2"):
        code = f"import specc.cli as c; c.run_cli(['build', '-o', 'out{seed}', 'job.json'])"
        run_code(code, PYTHONHASHSEED=seed)
    assert tree(place / "out1") == tree(place / "out2")


@pytest.mark.slow
def test_emitted_files_hold_no_path_and_no_version(place):
    Path("job.json").write_bytes(encoded(DETECTOR))
    assert cli.run_cli(["build", "-o", "out", "job.json"]) == 0
    for path, data in tree(place / "out").items():
        assert str(place).encode() not in data, path


def test_a_wrong_job_raises_every_finding():
    with pytest.raises(JobError) as caught:
        build.compile_job(encoded(WRONG))
    assert all(finding.is_error for finding in caught.value.diagnostics)


@pytest.mark.parametrize("turned", [False, True])
def test_findings_stand_in_the_order_of_the_file(turned):
    """Whatever the order of the rules."""
    head = {"task": "object_detection", "categories": ["a"], "top_level": 7}
    parts = {
        "data": {"train": "data/train", "resolution": [250, 256]},
        "model": {"neck": {"top_level": 5}, "heads": [head]},
    }
    expected = ["/data/resolution", "/model/heads/0/top_level"]
    if turned:
        parts, expected = dict(reversed(parts.items())), expected[::-1]
    _, _, findings = build.analyze(encoded({"name": "finder"} | parts))
    assert [finding.pointer for finding in findings] == expected


@pytest.mark.slow
def test_warnings_do_not_stop_a_build(monkeypatch):
    warning = Diagnostic("W201", "a level is not used")
    monkeypatch.setattr(passes, "check", lambda job, graph: [warning])
    assert build.compile_job(encoded(CLASSIFIER)).warnings == (warning,)


@pytest.mark.parametrize("count", [1, pytest.param(6, marks=pytest.mark.slow)])
def test_many_jobs_give_what_each_gives_alone(count):
    """With 6 jobs in more than one process: the order stays, errors come as findings."""
    jobs = [CLASSIFIER | {"name": f"cells{i}"} for i in range(count)]
    jobs[-1] = WRONG
    outcomes = list(build.compile_many([encoded(job) for job in jobs]))
    assert [outcome.job.name for outcome in outcomes[:-1]] == [
        f"cells{i}" for i in range(count - 1)
    ]
    assert all(isinstance(finding, Diagnostic) for finding in outcomes[-1])
    if count > 1:
        assert outcomes[0] == build.compile_job(encoded(jobs[0]))


# ---- the fast path ----


def built(place: Path) -> list[str]:
    Path("job.json").write_bytes(encoded(DETECTOR))
    assert cli.run_cli(["build", "job.json"]) == 0
    return ["build", "job.json"]


def imported(arguments: list[str]) -> set[str]:
    """The heavy modules that a command imports."""
    code = f"import sys, specc.cli; specc.cli.run_cli({arguments!r}); "
    code += f"print(*sorted({HEAVY!r} & sys.modules.keys()))"
    return set(run_code(code).splitlines()[-1].split())


@pytest.mark.slow
def test_an_unchanged_build_imports_nothing_heavy(place):
    assert imported(built(place)) == set()


@pytest.mark.slow
def test_a_build_never_imports_torch(place):
    Path("job.json").write_bytes(encoded(DETECTOR))
    found = imported(["build", "job.json"])
    assert "torch" not in found and "networkx" in found


@pytest.mark.slow
def test_a_check_does_not_wait_for_the_back_end(place):
    Path("job.json").write_bytes(encoded(DETECTOR))
    assert imported(["check", "job.json"]) == {"networkx", "jsonschema"}


def change_job(place):
    text = Path("job.json").read_text()
    Path("job.json").write_text(text.replace("256", "320"))


def edit_output(place):
    (place / "generated/finder/model.py").write_text("mine\n")


def delete_output(place):
    (place / "generated/finder/data.py").unlink()


def damage_record(place):
    (place / "generated/finder/.specc/manifest.json").write_text("{}")


@pytest.mark.slow
@pytest.mark.parametrize(
    "change", [change_job, edit_output, delete_output, damage_record]
)
def test_any_change_ends_the_fast_path(place, change, monkeypatch):
    arguments, analyzed = built(place), []
    analyze = build.analyze
    monkeypatch.setattr(
        build, "analyze", lambda data: analyzed.append(data) or analyze(data)
    )
    cli.run_cli(arguments)
    assert not analyzed
    data, folder = Path("job.json").read_bytes(), place / "generated/finder"
    assert stamps.find(folder, data) is not None
    change(place)
    assert stamps.find(folder, Path("job.json").read_bytes()) is None
    cli.run_cli(arguments)
    assert len(analyzed) == 1


@pytest.mark.slow
def test_an_edit_of_specc_ends_the_fast_path(place, monkeypatch):
    built(place)
    data, folder = Path("job.json").read_bytes(), place / "generated/finder"
    monkeypatch.setattr(stamps, "_own_files", lambda: [])
    assert stamps.find(folder, data) is None


def test_a_stamp_says_again_what_the_build_said(place):
    (place / "model.py").write_text("a\n")
    warning = Diagnostic("W201", "unused", path=("model", 0), note="n", help="h")
    stamp = Stamp(12, ("train.py",), (warning,))
    stamps.leave(place, b"job", ["model.py"], stamp)
    assert stamps.find(place, b"job") == stamp
    assert stamps.find(place, b"another job") is None


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["", "{", "[]", '{"inputs": 1}', "\xff"])
def test_a_broken_cache_is_as_none(place, cache, damage):
    built(place)
    (stamp,) = (cache / "specc").iterdir()
    stamp.write_text(damage, encoding="latin-1")
    assert cli.run_cli(["build", "job.json"]) == 0
    assert json.loads(stamp.read_text())["parameters"] > 0


@pytest.mark.slow
def test_a_cache_that_cannot_be_written_is_as_none(place, monkeypatch):
    (place / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(place / "file"))
    built(place)
    assert cli.run_cli(["build", "job.json"]) == 0


# ---- verify ----


@pytest.mark.soak  # test_mixtures.py compares more models, and the test below says how
@pytest.mark.parametrize("job", [CLASSIFIER, DETECTOR], ids=["classifier", "detector"])
def test_the_emitted_model_is_the_graph_s(job):
    verify.verify(compile_raw(encoded(job)))


@pytest.mark.slow
def test_a_model_that_differs_is_our_failure(place, monkeypatch, capsys):
    compiled = compile_raw(encoded(CLASSIFIER))
    name = compiled.model_class
    model = f"""{compiled.files['model.py']}

class Wrong({name}):
    def __init__(self):
        super().__init__()
        self.extra = nn.Linear(3, 5)

{name} = Wrong
"""
    files = compiled.files | {"model.py": model}
    wrong = replace(compiled, files=files)
    monkeypatch.setattr(build, "compile_many", lambda jobs, extras: [wrong])
    Path("job.json").write_bytes(encoded(CLASSIFIER))
    assert cli.run_cli(["build", "--verify", "job.json"]) == 2
    said = capsys.readouterr().err
    assert "specc failed; this is a bug in specc" in said
    assert "parameters: graph 11,177,538, model 11,177,558" in said
    assert "state dict `extra.weight`: graph none, model [5, 3]" in said
    assert not Path("generated").exists()


def test_differences_in_shapes_are_named():
    summary = build.compile_job(encoded(DETECTOR)).summary
    state = {key: list(shape) for key, shape in summary.state.items()}
    (head,) = summary.outputs
    outputs = {name: list(shape) for name, shape in summary.outputs[head].items()}
    found = {"parameters": summary.parameters, "state": state, "outputs": outputs}
    assert verify.compare(summary, found) == []
    name = next(iter(outputs))
    wrong = found | {"outputs": outputs | {name: [1, 1]}}
    (difference,) = verify.compare(summary, wrong)
    assert difference.startswith(f"outputs `{head}.{name}`: graph")
    gone = found | {"state": {}}
    assert "more" in verify.compare(summary, gone)[-1]


@pytest.mark.slow
def test_verify_without_torch_names_the_extra(place, monkeypatch, capsys):
    blocked = place / "blocked" / "torch.py"
    blocked.parent.mkdir()
    blocked.write_text("raise ImportError('no torch here')\n")
    monkeypatch.setenv("PYTHONPATH", str(blocked.parent))
    Path("job.json").write_bytes(encoded(CLASSIFIER))
    assert cli.run_cli(["build", "--verify", "job.json"]) == 1
    err = capsys.readouterr().err
    assert "error[E408]" in err and install("train") in err
    assert not Path("generated").exists()
