"""Folders of other jobs are not taken over; folders that lost their record are."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from outputs import JOB, output, refusal, tree

from specc import cli
from specc.folder import record
from specc.folder.adopt import Adopted, adopt
from specc.folder.compare import compare
from specc.folder.judge import ATTRIBUTES, Output
from specc.folder.write import write


def of_job(folder: Path, source: Path, name: str, **texts: str) -> Output:
    data = json.dumps({"name": name}).encode()
    source.write_bytes(data)
    plain = output(folder, source, {"name": name}, **texts)
    return Output(folder, plain.files | {"job.json": data}, plain.job, source)


# ---- Whose folder it is ----


@pytest.mark.parametrize("damaged", [False, True])
@pytest.mark.parametrize("force", [False, True])
def test_another_job_is_refused(folder, source, damaged, force):
    write(of_job(folder, source, "cells", model="a\n"))
    if damaged:
        (folder / record.MANIFEST).write_text("{")
    other = of_job(folder, source, "faces", model="b\n")
    before = tree(folder)
    finding = refusal("E438", write, other, force=force)
    assert "holds the job `cells`, not `faces`" in finding.message
    refusal("E438", compare, other)
    assert tree(folder) == before


def test_the_folders_own_job_may_have_a_new_name(folder, source):
    write(of_job(folder, source, "cells", model="a\n"))
    own = of_job(folder, folder / "job.json", "renamed", model="b\n")
    assert "model.py" in write(own).written
    assert record.read(folder).job == {"name": "renamed"}


@pytest.mark.parametrize("name", ["Train.py", "TRAIN.PY"])
def test_a_name_that_differs_in_case_alone_is_in_the_way(folder, source, name):
    write(output(folder, source, model="a\n"))
    (folder / name).write_text("mine\n")
    before = tree(folder)
    for dry_run in (True, False):
        new = output(folder, source, model="a\n", train="t\n")
        finding = refusal("E404", write, new, dry_run=dry_run)
        assert name in finding.message and "case" in finding.message
    assert tree(folder) == before
    (folder / name).unlink()
    write(output(folder, source, model="a\n", train="t\n"))
    (folder / name).write_text("mine\n")
    write(output(folder, source, model="a\n", train="t2\n"))
    assert (folder / "train.py").read_text() == "t2\n"


def test_attributes_of_the_user_stay(folder, source):
    write(output(folder, source, model="a\n"))
    (folder / ATTRIBUTES).write_text("*.bin lfs\n")
    plain = output(folder, source, model="a\n")
    files = plain.files | {ATTRIBUTES: b"/* text=auto eol=lf\n"}
    new = Output(folder, files, plain.job, source)
    assert write(new).kept == (ATTRIBUTES,)
    assert (folder / ATTRIBUTES).read_text() == "*.bin lfs\n"
    assert compare(new).is_current()


# ---- Adopting ----


def test_a_folder_without_a_record_is_taken_over(folder, source):
    lines = "".join(f"x_{i} = {i}\n" for i in range(9))
    old = output(folder, source, model=lines, train="t\n", data="d\n")
    write(old)
    shutil.rmtree(folder / ".specc")
    (folder / "model.py").write_text(lines.replace("x_7 = 7", "x_7 = 'mine'"))
    (folder / "train.py").write_bytes(b"t\r\n")
    (folder / "data.py").unlink()
    before = tree(folder)
    refusal("E402", write, old)
    said = adopt(old)
    assert said == Adopted(("job.json", "train.py"), ("model.py",), ("data.py",))
    new = {x: y for x, y in tree(folder).items() if not x.startswith(".specc")}
    assert new == before
    changed = lines.replace("x_1 = 1", "x_1 = 'new'")
    written = write(output(folder, source, model=changed, train="t\n", data="d\n"))
    assert written.merged == ("model.py",) and written.gone == ("data.py",)
    both = changed.replace("x_7 = 7", "x_7 = 'mine'")
    assert (folder / "model.py").read_text() == both


@pytest.mark.parametrize("rest", ["{", "<<<<<<< ours\n", '{"format": 1}'])
def test_a_damaged_record_is_replaced(folder, source, rest):
    new = output(folder, source, model="a\n")
    write(new)
    (folder / record.MANIFEST).write_text(rest)
    (folder / ".specc/pristine").mkdir()
    (folder / ".specc/pristine/model.py").write_text("a\n")
    assert adopt(new).emitted == ("job.json", "model.py")
    assert compare(new).is_current(strict=True)
    assert not (folder / ".specc/pristine").exists()


def test_a_sound_record_is_not_replaced(folder, source):
    write(output(folder, source, model="a\n"))
    before = tree(folder)
    finding = refusal("E437", adopt, output(folder, source, model="b\n"))
    assert "specc build" in finding.help and tree(folder) == before


def test_a_folder_of_other_files_is_not_adopted(folder, source):
    folder.mkdir(parents=True)
    (folder / "job.json").write_bytes(JOB)
    (folder / "thesis.tex").write_text("years of work")
    before = tree(folder)
    refusal("E436", adopt, output(folder, source, model="a\n"))
    assert tree(folder) == before


def test_nothing_is_recorded_through_a_link(folder, source, tmp_path):
    write(output(folder, source, model="a\n"))
    shutil.rmtree(folder / ".specc")
    (tmp_path / "elsewhere").mkdir()
    (folder / ".specc").symlink_to(tmp_path / "elsewhere")
    refusal("E404", adopt, output(folder, source, model="a\n"))
    assert not list((tmp_path / "elsewhere").iterdir())


PHOTOS = {
    "version": 1,
    "name": "photos",
    "data": {"train": "train", "resolution": [64, 64]},
    "model": {
        "backbone": {"name": "resnet18"},
        "heads": [
            {
                "name": "kind",
                "task": "multiclass_classification",
                "categories": ["a", "b"],
            }
        ],
    },
}


@pytest.mark.slow
def test_the_command_says_each_file_and_where_git_has_a_record(place, capsys):
    job = place / "photos.json"
    job.write_text(json.dumps(PHOTOS))
    build = ["build", "--tests", "--package", "-o", "photos_net", "photos.json"]
    assert cli.run_cli(build) == 0
    subprocess.run(["git", "init", "-q"], check=True)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run(["git", "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", "one"], check=True)
    shutil.rmtree("photos_net/.specc")
    path = Path("photos_net/train.py")
    path.write_text(path.read_text() + "# ours\n")
    Path("photos_net/draw.py").unlink()
    capsys.readouterr()
    assert cli.run_cli(["adopt", "--format", "json", "photos_net"]) == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert told["edited"] == ["train.py"] and told["missing"] == ["draw.py"]
    assert {"__init__.py", "test_contract.py", ATTRIBUTES} <= set(told["emitted"])
    assert f"git checkout {told['recorded_in']} -- photos_net/.specc" in err
    assert cli.run_cli(["build", "--check", *build[3:]]) == 0
    assert cli.run_cli(["adopt", "photos_net"]) == 1
    assert "error[E437]" in capsys.readouterr().err


def test_a_job_that_is_wrong_or_missing_adopts_nothing(place, capsys):
    folder = place / "photos"
    folder.mkdir()
    assert cli.run_cli(["adopt", "photos"]) == 1
    assert "error[E401]" in capsys.readouterr().err
    (folder / "job.json").write_text(json.dumps(PHOTOS | {"version": 7}))
    (folder / "train.py").write_text("t\n")
    assert cli.run_cli(["adopt", "photos"]) == 1
    assert "photos/job.json:1:" in capsys.readouterr().err
    assert cli.run_cli(["adopt", "photos/job.json"]) == 1
    assert "give its folder: `specc adopt photos`" in capsys.readouterr().err
    assert sorted(tree(folder)) == ["job.json", "train.py"]
