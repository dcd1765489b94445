"""The contract that `specc build --tests` emits: it holds, and it fails where it must."""

from __future__ import annotations

import json
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from emitted_jobs import GENERATED, write
from proof import strings_in_code
from runs import SCENE, one_core
from test_templates import HOSTILE, MARK, hostile_job

from specc import cli
from specc.build import analyse, compile_job
from specc.diagnostics import Diagnostic, JobError
from specc.plan import plan
from specc.record import CONTRACT
from specc.render import render
from specc.tasks import TASKS

SECONDS = 60  # of processor time for a whole contract
PATIENCE = 600  # seconds until it counts as stuck
QUICK = ("shapes-and-scenes",)
OTHERS = sorted({path.parent.name for path in GENERATED.glob("*/job.json")} - {*QUICK})
JOB = {
    "name": "scenes",
    "data": {"train": "train", "validation": "val", "resolution": [64, 96]},
    "model": {"backbone": {"top_level": 3}, "heads": [SCENE]},
}
LOOP = {  # each option changes what a checkpoint holds, or what a copy must change
    "max_iterations": None,
    "max_hours": 0.5,
    "accumulation": 2,
    "ema": 0.9,
    "early_stopping": 1,
    "compile": True,
    "precision": "fp16",
    "initialization": {"kind": "checkpoint", "weights": "elsewhere.pt"},
}
SPLIT = {"train": "flowers", "format": "folders", "resolution": [64, 64]}
SETS = {"train": "/elsewhere/a", "validation": "../b", "resolution": [64, 64]}
FACES = {"task": "metric_learning", "identities": list("abcde"), "embedding_size": 16}
CACHED = {"channels": 4, "cache": "/elsewhere/cache"}
FINDS = {
    "neck": {"kind": "fpn", "bottom_level": 3, "top_level": 4, "channels": 32},
    "heads": [{"task": "object_detection", "categories": ["a<b", "c&d", "no"]}],
}
MASKS = FINDS | {"heads": [FINDS["heads"][0] | {"task": "instance_segmentation"}]}
SEGMENTS = FINDS | {
    "heads": [
        FINDS["heads"][0]
        | {"task": "panoptic_segmentation", "things": ["no", "c&d"]}
        | {"colors": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}
    ]
}
MEASURES = {
    "heads": [
        {"name": "price", "task": "regression", "range": [-2.5, 1e6]},
        SCENE | {"ordered": True},
    ]
}


def emit(job: dict, folder: Path) -> Path:
    folder.mkdir()
    return write(compile_job(json.dumps(job).encode(), tests=True), folder)


def contract(folder: Path, *arguments: str) -> tuple[int, str]:
    """Runs it as its users do: exit code, and what was said."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, CONTRACT, *arguments],
        cwd=folder,
        env=one_core(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
    )
    return done.returncode, done.stdout


# ---- It holds ----


def hold(folder: Path) -> float:
    """The processor seconds of a contract that holds."""

    def used() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = used()
    code, said = contract(folder)
    assert code == 0 and "8 passed" in said, said
    return used() - before


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_the_contract_of_an_example_holds(name, tmp_path):
    """The committed one, in a copy without anything beside it."""
    folder = tmp_path / name
    shutil.copytree(GENERATED / name, folder, ignore=shutil.ignore_patterns("runs"))
    seconds = hold(folder)
    print(f"{name}: {seconds:.1f} s of processor time")
    assert seconds < SECONDS


@pytest.mark.soak
@pytest.mark.parametrize("name", OTHERS)
def test_the_contracts_of_the_other_examples_hold(name, tmp_path):
    job = json.loads((GENERATED / name / "job.json").read_bytes())
    assert hold(emit(job, tmp_path / name)) < SECONDS


@pytest.mark.soak
@pytest.mark.parametrize(
    "changes",
    [
        {"trainer": LOOP},
        {"data": SPLIT},
        {"data": SPLIT | {"group": "([^/_]+)_[0-9]+[.]"}},
        {"data": SPLIT | {"format": "native"}, "model": {"heads": [FACES]}},
        {"data": SETS | CACHED},
        {"data": SETS | {"format": "voc"}, "model": FINDS},
        {"data": SETS | {"format": "yolo", "validation": None}, "model": FINDS},
        {"data": SETS | {"format": "coco"}, "model": MASKS},
        {"data": SETS | {"format": "yolo"}, "model": MASKS},
        {"data": SETS | {"format": "coco"}, "model": SEGMENTS},
        {"data": SETS | {"format": "csv", "cache": "cache"}, "model": MEASURES},
    ],
    ids=[
        *("loop", "no validation set", "groups", "identities held out"),
        *("cache of bands", "voc", "yolo"),
        *("masks of coco", "masks of yolo", "segments of coco", "csv"),
    ],
)
def test_other_contracts_hold(changes, tmp_path):
    hold(emit(JOB | changes, tmp_path / "job"))


# ---- It fails where the code is wrong ----

OUTPUTS = "test_outputs_have_the_shapes_of_the_levels"
FOUND = "test_predictions_have_their_keys_and_shapes"
STATE = "test_weights_have_their_names_and_shapes"
RESUME = "test_a_killed_run_goes_on_to_the_same_end"
PROCESSES = "test_two_processes_measure_what_one_does"
AGAIN = "test_predictions_are_the_same_again"
PACKAGE = "test_a_copy_in_a_package_predicts_the_same"

HEAD = "        return self.head("
SEEDED = "        torch.manual_seed(args.seed * 2**32 + iteration * world + rank)\n"
DROPOUT = ("model.py", HEAD, f"        images = F.dropout(images, 0.3)\n{HEAD}")
DRAWN = "        rng = np.random.default_rng((self.seed, *key))\n"
PADDED = (
    "    if world > 1:  # the running",
    "    samples = samples + samples[: -len(samples) % world]\n"
    "    if world > 1:  # the running",
)


def changed(folder: Path, *edits: tuple[str, str, str]) -> Path:
    for file, old, new in edits:
        text = (folder / file).read_text()
        assert text.count(old) == 1, (file, old)
        (folder / file).write_text(text.replace(old, new))
    return folder


def breach(folder: Path, test: str) -> str:
    """What is said of the one test that is run, and fails."""
    code, said = contract(folder, "-k", test)
    assert code == 1, said
    assert re.search(rf"^(FAILED|ERROR) {CONTRACT}::{test}", said, re.M), said
    return said


@pytest.mark.slow
def test_swapped_outputs_break_it(tmp_path):
    folder = tmp_path / "cells"
    shutil.copytree(GENERATED / "blood-cells", folder)
    old, new = "Predictions(rows(logits), bins,", "Predictions(bins, rows(logits),"
    said = breach(changed(folder, ("model.py", old, new)), OUTPUTS)
    assert "outputs.logits.shape" in said


@pytest.mark.slow
def test_swapped_heads_break_it(tmp_path):
    folder = tmp_path / "both"
    shutil.copytree(GENERATED / "shapes-and-scenes", folder)
    text = (folder / "model.py").read_text()
    start = text.index("        return {", text.index("class Network"))
    end = text.index("}", start)
    turned = {'"shapes":': '"scene":', '"scene":': '"shapes":'}
    returned = re.sub('"shapes":|"scene":', lambda m: turned[m[0]], text[start:end])
    (folder / "model.py").write_text(text[:start] + returned + text[end:])
    breach(folder, OUTPUTS)


@pytest.mark.slow
@pytest.mark.parametrize(
    "edit, test",
    [
        (("model.py", '"probabilities": ', '"scores": '), FOUND),
        (("model.py", "self.bn2 = ", "self.norm2 = self.bn2 = "), STATE),
    ],
    ids=["a key", "a weight's name"],
)
def test_another_model_breaks_it(edit, test, tmp_path):
    breach(changed(emit(JOB, tmp_path / "job"), edit), test)


@pytest.mark.slow
def test_a_constant_that_is_not_found_breaks_it(tmp_path):
    """The copy would be as large as the job."""
    edit = ("model.py", "HEIGHT, WIDTH = 64, 96", "HEIGHT = 64; WIDTH = 96")
    breach(changed(emit(JOB, tmp_path / "job"), edit), OUTPUTS)


RESUMES = {
    "the place in the data": [
        ("train.py", "args.seed, iteration, rank", "args.seed, 0, rank")
    ],
    "the optimizer": [
        ("train.py", '{"model": model, "optimizer": optimizer}', '{"model": model}')
    ],
    "the generator of views": [
        ("data.py", DRAWN, "        rng = RNG\n"),
        ("data.py", "# ---- Batches ----\n", "RNG = np.random.default_rng(0)\n"),
    ],
    "the generator of dropout": [DROPOUT, ("train.py", SEEDED, "")],
    "the log": [("checkpoints.py", "if 0 <= iteration_of(line) <= start", "")],
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "lost",
    [
        pytest.param(name, marks=[] if number == 0 else [pytest.mark.soak])
        for number, name in enumerate(RESUMES)
    ],
)
def test_what_a_resume_loses_breaks_it(lost, tmp_path):
    said = breach(changed(emit(JOB, tmp_path / "job"), *RESUMES[lost]), RESUME)
    assert "torch.equal" in said or "logs[0] == logs[1]" in said


@pytest.mark.soak
def test_dropout_that_is_drawn_anew_for_each_step_keeps_it(tmp_path):
    code, said = contract(changed(emit(JOB, tmp_path / "job"), DROPOUT), "-k", RESUME)
    assert code == 0, said


@pytest.mark.soak
def test_duplicates_that_are_counted_break_it(tmp_path):
    folder = emit(JOB, tmp_path / "job")
    said = breach(changed(folder, ("evaluate.py", *PADDED)), PROCESSES)
    assert "one == pytest.approx(two" in said


@pytest.mark.soak
@pytest.mark.parametrize(
    "edit, test",
    [
        (("evaluate.py", "shares[i % world][i // world]", "shares[0][0]"), PROCESSES),
        ((*DROPOUT[:2], f"        images = images + torch.rand(1)\n{HEAD}"), AGAIN),
        (
            ("model.py", HEAD, f'        images = images + ("." in __name__)\n{HEAD}'),
            PACKAGE,
        ),
        (("model.py", "import torch\n", "import dataset\nimport torch\n"), PACKAGE),
    ],
    ids=["a share twice", "a random image", "a name", "an import"],
)
def test_other_faults_break_it(edit, test, tmp_path):
    breach(changed(emit(JOB, tmp_path / "job"), edit), test)


# ---- What is emitted ----


def test_every_task_has_a_contract():
    assert all(task.contract for task in TASKS.values())


def smallest(job: dict) -> tuple:
    found, graph, findings = analyse(json.dumps(job).encode())
    assert not [finding for finding in findings if finding.is_error]
    return plan(found, graph, tests=True).contract.shape


def findings_of(job: dict) -> list[Diagnostic]:
    try:
        return analyse(json.dumps(job).encode())[2]
    except JobError as error:
        return error.diagnostics


@pytest.mark.parametrize(
    "model, side",
    [
        ({"backbone": {"top_level": 2}}, 32),
        ({"backbone": {"top_level": 7}, "neck": {"kind": "none"}}, 128),
        ({"backbone": {"name": "efficientnetv2_s", "top_level": 5}}, 32),
        ({"neck": {"kind": "fpn", "bottom_level": 3, "top_level": 6}}, 64),
        ({"neck": {"kind": "bifpn", "bottom_level": 3, "top_level": 7}}, 128),
    ],
)
def test_the_smallest_images_have_a_cell_of_every_level(model, side):
    """With a side half as long the job is refused."""
    parts = (model.get("neck", {}), model.get("backbone", {}))
    level = next(part["top_level"] for part in parts if "top_level" in part)
    heads = [SCENE | {"level": level}]
    job = JOB | {"model": model | {"heads": heads}}
    job["data"] = JOB["data"] | {"resolution": [256, 384]}
    assert smallest(job) == (2, 3, side, side)
    for resolution, wrong in (([side, side], False), ([side // 2, side], True)):
        job["data"] = JOB["data"] | {"resolution": resolution}
        codes = {finding.code for finding in findings_of(job)}
        assert bool({"E123", "E207", "E208"} & codes) == wrong


def test_strings_of_the_job_are_constants():
    job = hostile_job(HOSTILE)
    job["model"]["heads"][0]["name"] = "zq-import-os"  # names are letters and digits
    found, graph, _ = analyse(json.dumps(job).encode())
    text = render(plan(found, graph, tests=True))[CONTRACT]
    strings = strings_in_code({CONTRACT: text}, MARK)
    assert strings == {"zq-import-os", "zq-import-os.yaml"}


def test_it_stands_without_specc_and_on_a_few_screens():
    for name in QUICK:
        text = (GENERATED / name / CONTRACT).read_text()
        assert "specc" not in text and len(text.splitlines()) <= 350


# ---- Build: asked for once, then kept ----


@pytest.fixture
def job(place) -> str:
    Path("job.json").write_text(json.dumps(JOB))
    return "job.json"


def build(*arguments: str) -> int:
    return cli.run_cli(["build", *arguments])


def emitted() -> set[str]:
    return {path.name for path in Path("generated/scenes").iterdir()} & {
        CONTRACT,
        "state_dict.json",
    }


BOTH = {CONTRACT, "state_dict.json"}


def test_it_is_emitted_where_it_is_asked_for(job):
    assert build(job) == 0 and emitted() == set()
    plain = Path("generated/scenes/README.md").read_text()
    assert build("--tests", job) == 0 and emitted() == BOTH
    assert "pytest\n" in Path("generated/scenes/requirements.txt").read_text()
    assert CONTRACT not in plain
    assert CONTRACT in Path("generated/scenes/README.md").read_text()
    manifest = json.loads(Path("generated/scenes/.specc/manifest.json").read_text())
    assert BOTH <= manifest["files"].keys()


@pytest.mark.parametrize("changes", [{}, {"trainer": {"batch_size": 4}}])
def test_a_later_build_keeps_it(job, changes, capsys):
    build("--tests", job)
    assert build("--check", "--strict", job) == 0
    Path(job).write_text(json.dumps(JOB | changes))
    assert build(job) == 0 and emitted() == BOTH
    assert build("--check", "--strict", "--tests", job) == 0
    Path(f"generated/scenes/{CONTRACT}").unlink()
    assert build("--check", job) == 1
    assert f"missing    {CONTRACT}" in capsys.readouterr().out
    assert build(job) == 0 and emitted() == BOTH


def test_a_contract_that_is_older_than_the_job_is_stale(job, capsys):
    build("--tests", job)
    head = SCENE | {"categories": ["a", "b"]}
    Path(job).write_text(json.dumps(JOB | {"model": {"heads": [head]}}))
    assert build("--check", job) == 1
    assert f"--- {CONTRACT} (as built)" in capsys.readouterr().out


def test_it_is_taken_away_where_that_is_asked_for(job):
    build("--tests", job)
    assert build("--check", "--no-tests", job) == 1
    assert build("--no-tests", job) == 0 and emitted() == set()
    assert build(job) == 0 and emitted() == set()
    assert build("--check", "--tests", job) == 1


def test_a_damaged_manifest_does_not_forget_it(job):
    build("--tests", job)
    Path("generated/scenes/.specc/manifest.json").write_text("<<<<<<< ours\n")
    head = SCENE | {"categories": ["a", "b"]}
    Path(job).write_text(json.dumps(JOB | {"model": {"heads": [head]}}))
    assert build("--force", job) == 0 and emitted() == BOTH
    assert build("--check", "--strict", job) == 0


def test_an_edited_contract_is_kept(job, capsys):
    build("--tests", job)
    path = Path(f"generated/scenes/{CONTRACT}")
    path.write_text(path.read_text() + "# ours\n")
    for flag in ("--tests", "--no-tests"):
        assert build(flag, job) == 0
        assert f"kept       {CONTRACT} (edited by you)" in capsys.readouterr().out
    assert path.read_text().endswith("# ours\n")


def test_help_says_that_it_stays(capsys):
    assert build("--help") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "--tests / --no-tests Write test_contract.py too" in said
    assert "[default: keep it where it is]" in said
