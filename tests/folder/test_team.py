"""A folder in a repository that several people work in, by git itself."""

from __future__ import annotations

import copy
import json
import subprocess
from pathlib import Path

import pytest

from specc import cli
from specc.folder import record

JOB = {
    "version": 1,
    "name": "photos",
    "data": {"train": "train", "resolution": [64, 64]},
    "model": {
        "backbone": {"name": "resnet18"},
        "heads": [
            {
                "name": "kind",
                "task": "multiclass_classification",
                "categories": ["ant", "bee"],
            },
            {"name": "price", "task": "regression", "range": [0, 1]},
        ],
    },
    "trainer": {"optimizer": {"kind": "adamw", "learning_rate": 0.001}},
}
FOLDER = Path("photos")
pytestmark = pytest.mark.slow


def git(*words: str, code: int | None = 0) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    done = subprocess.run(["git", *who, *words], capture_output=True, text=True)
    assert code is None or done.returncode == code, done.stdout + done.stderr
    return done.stdout


def commit(message: str) -> None:
    git("add", "-A")
    git("commit", "-qm", message)


def write_job(change) -> None:
    job = copy.deepcopy(JOB)
    change(job)
    Path("photos/job.json").write_text(json.dumps(job, indent=2) + "\n")


def build(*flags: str) -> int:
    return cli.run_cli(["build", *flags, "photos/job.json"])


def is_current(strict: bool = True) -> bool:
    return build("--check", *["--strict"] * strict) == 0


def slower(job: dict) -> None:
    job["trainer"]["optimizer"]["learning_rate"] = 0.0003


def richer(job: dict) -> None:
    job["model"]["heads"][0]["categories"].append("cat")


def wider(job: dict) -> None:
    job["model"]["backbone"]["name"] = "resnet34"


@pytest.fixture
def repository(place) -> Path:
    FOLDER.mkdir()
    write_job(lambda job: None)
    git("init", "-q", "-b", "main")
    assert build() == 0
    commit("one")
    return place


def branch(name: str, change, edit=None) -> None:
    git("checkout", "-q", "-b", name, "main")
    write_job(change)
    assert build() == 0
    if edit:
        edit()
    commit(name)


def merged(message: str) -> None:
    """Ends a merge after a build, with everything as the build left it."""
    assert build() == 0
    assert is_current(strict=False)
    commit(message)
    assert git("status", "--porcelain") == ""
    assert len(record.sides(FOLDER)) == 1


def text(path: str) -> str:
    """Returns the text of a file of the folder."""
    return (FOLDER / path).read_text()


@pytest.mark.parametrize(
    "resolve",
    [
        pytest.param((), id="nothing"),
        pytest.param(("git", "checkout", "--ours"), id="ours", marks=pytest.mark.soak),
        pytest.param(
            ("git", "checkout", "--theirs"), id="theirs", marks=pytest.mark.soak
        ),
        pytest.param(("rm",), id="deleted", marks=pytest.mark.soak),
    ],
)
def test_two_branches_with_different_jobs_merge(repository, resolve):
    """Both change the number of parameters, so their texts conflict in places."""
    branch("a", lambda job: (slower(job), wider(job)))
    branch("b", richer)
    git("merge", "a", code=1)
    assert "<<<<<<< " in text("README.md") and not is_current(strict=False)
    if resolve:
        place = str(FOLDER / record.MANIFEST)
        subprocess.run([*resolve, place], check=True, capture_output=True)
    merged("both")
    assert is_current()
    assert "LEARNING_RATE = 0.0003" in text("train.py")
    assert '"cat"' in text("model.py") and "resnet34" in text("resolved.json")
    assert "<<<<<<<" not in "".join(map(text, ("README.md", "model.py")))


def test_edits_of_both_branches_stay(repository):
    def of_training():
        path = FOLDER / "train.py"
        path.write_text(path.read_text() + "\n# ours\n")

    def of_both():
        of_training()
        path = FOLDER / "model.py"
        path.write_text(path.read_text().replace("import ", "import json\nimport ", 1))
        (FOLDER / "mine.py").write_text("mine = 1\n")

    branch("a", lambda job: (slower(job), wider(job)), of_training)
    branch("b", richer, of_both)
    git("merge", "a", code=1)
    merged("both")
    assert text("train.py").endswith("# ours\n") and "import json\n" in text("model.py")
    assert '"cat"' in text("model.py") and text("mine.py") == "mine = 1\n"
    assert not is_current()


@pytest.mark.soak
def test_changes_in_different_files_need_nothing_but_a_build(repository):
    branch("a", slower)
    branch("b", richer)
    git("merge", "-q", "a")
    assert len(record.sides(FOLDER)) == 1
    merged_text = text(record.MANIFEST)
    assert is_current() and build() == 0
    assert text(record.MANIFEST) == merged_text


@pytest.mark.soak
def test_a_rebase_is_mended_too(repository):
    branch("a", lambda job: (slower(job), wider(job)))
    branch("b", richer)
    git("rebase", "a", code=1)
    git("checkout", "--ours", "photos/.specc/manifest.json")
    assert build() == 0 and is_current()
    git("add", "-A")
    git("-c", "core.editor=true", "rebase", "--continue")
    assert git("status", "--porcelain") == "" and is_current()
    assert '"cat"' in text("model.py") and "resnet34" in text("resolved.json")


@pytest.mark.soak
def test_a_job_that_is_half_merged_is_named(repository, capsys):
    branch("a", slower)
    branch("b", lambda job: job["trainer"]["optimizer"].update(learning_rate=0.1))
    git("merge", "a", code=1)
    before = text(record.MANIFEST)
    assert build() == 1
    said = capsys.readouterr().err
    assert "error[E435]" in said and "photos/job.json:" in said
    assert text(record.MANIFEST) == before
    write_job(slower)
    merged("both")
    assert "LEARNING_RATE = 0.0003" in text("train.py") and is_current()


def test_the_record_is_one_entry_without_lines_in_a_diff(repository):
    branch("a", slower)
    names = git("diff", "--name-only", "main").split()
    assert [x for x in names if ".specc" in x] == ["photos/.specc/manifest.json"]
    changes = [x for x in git("diff", "main").splitlines() if "0.0003" in x]
    assert len(changes) == 3  # the job, the resolved job and train.py
    assert "Binary files a/photos/.specc/manifest.json" in git("diff", "main")
    told = git("check-attr", "linguist-generated", *names)
    folded = {x.split(":")[0] for x in told.splitlines() if x.endswith(": set")}
    assert folded == {"photos/.specc/manifest.json", "photos/resolved.json"}


@pytest.mark.parametrize(
    "attributes", [True, pytest.param(False, marks=pytest.mark.soak)]
)
def test_a_clone_with_other_line_ends_is_current(repository, monkeypatch, attributes):
    if not attributes:
        (FOLDER / ".gitattributes").unlink()
        commit("gone")
    git("clone", "-q", "-c", "core.autocrlf=true", ".", "clone")
    monkeypatch.chdir("clone")
    crlf = b"\r\n" in (FOLDER / "train.py").read_bytes()
    assert crlf != attributes and b"\r\n" not in (FOLDER / record.MANIFEST).read_bytes()
    assert is_current(strict=attributes)
    write_job(slower)
    assert build() == 0
    data = (FOLDER / "train.py").read_bytes()
    assert (b"\r\n" in data) == crlf and b"LEARNING_RATE = 0.0003" in data
    assert data.count(b"\r\n") == (data.count(b"\n") if crlf else 0)
    commit("two")
    assert git("status", "--porcelain") == ""
    names = git("diff", "--name-only", "HEAD~1").split()
    assert "photos/train.py" in names and "photos/model.py" not in names
