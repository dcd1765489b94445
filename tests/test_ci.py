"""docs/ci and .pre-commit-hooks.yaml: what users of specc run on pull requests."""

from __future__ import annotations

import copy
import json
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from review import (
    CHECKOUT,
    NUMBER,
    Ran,
    Server,
    commit,
    environment_of,
    git,
    github,
    gitlab,
)

from specc import __version__
from specc.cli import run_cli

pytestmark = [
    pytest.mark.skipif(not shutil.which(tool), reason=f"{tool} is not installed")
    for tool in ("git", "bash", "curl", "jq")
]
JOB = {
    "version": 1,
    "name": "cells",
    "data": {"train": "cells/train", "validation": "cells/val", "resolution": [64, 64]},
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
    "trainer": {"max_iterations": 40, "batch_size": 4},
}
COMMENTS = f"/repos/acme/vision/issues/{NUMBER}/comments"
JOB_PATH = "cells/job.json"


def job(**changes) -> str:
    """The text of the job, with other values of options by their names."""
    made = copy.deepcopy(JOB)
    for name, value in changes.items():
        part = {
            "categories": made["model"]["heads"][0],
            "name": made["model"]["backbone"],
        }
        part.get(name, made["trainer"])[name] = value
    return json.dumps(made, indent=2) + "\n"


@pytest.fixture(scope="module")
def main(tmp_path_factory) -> Path:
    """A repository whose one commit has a job and its folder."""
    folder = tmp_path_factory.mktemp("main")
    git(folder, "init", "--quiet")
    (folder / "cells").mkdir()
    (folder / JOB_PATH).write_text(job())
    assert run_cli(["build", str(folder / JOB_PATH)]) == 0
    commit(folder)
    return folder


@dataclass
class Review:
    """A pull request: a clone of main with a branch, to be merged."""

    place: Path
    origin: Path
    base: str

    def request(self, text: str | None, build: bool) -> None:
        """Commits another job, and the folder if that is built, on a branch; HEAD is
        then the merge, as GitHub has it."""
        git(self.origin, "switch", "--quiet", "--create", f"b{self.runs}", self.base)
        if text is not None:
            (self.origin / JOB_PATH).write_text(text)
        else:
            (self.origin / "notes.md").write_text("Of no job.\n")
        if build:
            assert run_cli(["build", str(self.origin / JOB_PATH)]) == 0
        commit(self.origin)
        git(self.origin, "switch", "--quiet", "--detach", self.base)
        git(self.origin, "merge", "--quiet", "--no-ff", "-m", "merge", f"b{self.runs}")

    @property
    def runs(self) -> int:
        return len([*self.place.glob("run*")])

    def _next(self) -> Path:
        folder = self.place / f"run{self.runs}"
        folder.mkdir()
        return folder

    def github(self, server: Server, **settings) -> Ran:
        return github(self._next(), self.origin, server, **settings)

    def gitlab(self, server: Server, **settings) -> Ran:
        return gitlab(self._next(), self.origin, self.base, server, **settings)


@pytest.fixture
def review(main, tmp_path) -> Review:
    git(main, "clone", "--quiet", str(main), str(tmp_path / "origin"))
    base = git(main, "rev-parse", "HEAD")
    return Review(tmp_path, tmp_path / "origin", base)


@pytest.fixture
def server():
    with Server() as server:
        yield server


# ---- GitHub ----


@pytest.mark.slow
@pytest.mark.soak
def test_a_pull_request_on_no_job_gets_no_comment(review, server):
    review.request(None, build=False)
    ran = review.github(server)
    assert set(ran.outcomes.values()) == {"success"}, ran.log
    assert "No job changes." in ran.summary
    assert server.bodies == [] and server.calls == [f"GET {COMMENTS}"]


@pytest.mark.soak
def test_one_comment_follows_a_pull_request(review, server):
    """A change of the recipe, then one that breaks weights and lets the check fail."""
    recipe = job(max_iterations=80)
    review.request(recipe, build=True)
    ran = review.github(server, FAIL_ON="weight-breaking")
    assert not ran.failed and set(ran.outcomes.values()) == {"success"}, ran.log
    (body,) = server.bodies
    assert body.startswith("<!-- specc -->\n\n### cells: **recipe**\n")
    assert (
        "| recipe | `/trainer/max_iterations` | `40 (given)` | `80 (given)` |" in body
    )
    assert body in ran.summary

    review.request(job(name="resnet34"), build=True)
    ran = review.github(server, FAIL_ON="weight-breaking")
    assert ran.failed == ["Say what the changes mean"]
    assert ran.outcomes["Comment"] == "success", ran.log
    (body,) = server.bodies
    assert "### cells: **weight-breaking**" in body and "max_iterations" not in body
    assert "/model/backbone/name" in body
    assert server.calls[-1] == "PATCH /repos/acme/vision/issues/comments/1000"


@pytest.mark.slow
def test_a_stale_folder_fails_and_is_told(review, server):
    review.request(job(max_iterations=80), build=False)
    ran = review.github(server)
    assert ran.failed == ["Check the folders"]
    (said,) = [line for line in ran.log.splitlines() if line.startswith("::error")]
    assert said.startswith(f"::error file={JOB_PATH},line=1,col=1,title=specc E439::")
    assert "is stale: a build changes" in said and "train.py" in said
    (body,) = server.bodies
    assert "**A folder is not what its job says: see the annotations.**" in body
    assert "### cells: **recipe**" in body


@pytest.mark.slow
def test_a_wrong_job_fails_and_is_told(review, server):
    review.request(job(name="resnet19"), build=False)
    ran = review.github(server)
    assert ran.failed == ["Check the jobs", "Say what the changes mean"]
    assert ran.outcomes["Check the folders"] == "skipped"
    assert ran.outcomes["Comment"] == "success"
    (said,) = [line for line in ran.log.splitlines() if line.startswith("::error")]
    assert re.match(rf"::error file={JOB_PATH},line=\d+,col=\d+,title=specc E1", said)
    assert "resnet19" in said
    assert server.bodies == [
        "<!-- specc -->\n**A job is wrong: see the annotations.**\n\n"
    ]


@pytest.mark.soak
def test_breaking_changes_pass_where_nothing_is_to_fail(review, server):
    review.request(job(categories=["b", "c"]), build=True)
    ran = review.github(server)
    assert not ran.failed and "### cells: **interface-breaking**" in server.bodies[0]


@pytest.mark.soak
def test_a_conflict_is_an_annotation_at_its_line(review, server):
    train = review.origin / "cells/train.py"
    text = train.read_text()
    train.write_text(text.replace("MAX_ITERATIONS = 40", "MAX_ITERATIONS = 41"))
    review.base = commit(review.origin)
    assert review.base != git(review.origin, "rev-parse", "HEAD^")
    (review.origin / JOB_PATH).write_text(job(max_iterations=80))
    assert run_cli(["build", str(review.origin / JOB_PATH)]) == 1
    review.request(job(max_iterations=80), build=False)
    ran = review.github(server)
    lines = train.read_text().splitlines()
    number = 1 + next(i for i, line in enumerate(lines) if line.startswith("<<<<<<<"))
    place = f"::error file=cells/train.py,line={number},col=1,title=specc E411::"
    assert ran.failed == ["Check the folders"] and place in ran.log


@pytest.mark.soak
def test_a_pull_request_from_a_fork_gets_a_summary_alone(review, server):
    review.request(job(max_iterations=80), build=True)
    ran = review.github(server, fork=True)
    assert ran.outcomes["Comment"] == "skipped" and server.calls == []
    assert "### cells: **recipe**" in ran.summary


@pytest.mark.soak
def test_a_new_job_and_names_with_spaces(review, server):
    other = review.origin / "more jobs/cells 2"
    other.mkdir(parents=True)
    (other / "job.json").write_text(job().replace('"cells"', '"others"'))
    review.request(None, build=False)
    ran = review.github(server, JOBS=":(glob)more jobs/**/job.json")
    assert ran.failed == ["Check the folders"]
    assert "`generated/others` is not built yet" in ran.log
    assert "### New: `more jobs/cells 2/job.json`" in server.bodies[0]


@pytest.mark.slow
@pytest.mark.sample("github", rest="soak")
@pytest.mark.parametrize("service", ["github", "gitlab"])
def test_a_job_beside_its_folder_is_told_once(tmp_path, server, monkeypatch, service):
    """`specc build job.json` leaves a copy of the job in generated/cells."""
    origin = tmp_path / "origin"
    origin.mkdir()
    monkeypatch.chdir(origin)
    git(origin, "init", "--quiet")
    for rate in (40, 80):
        Path("job.json").write_text(job(max_iterations=rate))
        assert run_cli(["build", "job.json"]) == 0
        commit(origin)
    review = Review(tmp_path, origin, git(origin, "rev-parse", "HEAD^"))
    ran = getattr(review, service)(server)
    assert not ran.failed, ran.log
    (body,) = server.bodies
    assert body.count("### cells: **recipe**") == 1 and "not what its job" not in body


# ---- GitLab ----


@pytest.mark.soak
def test_one_note_follows_a_merge_request(review, server):
    """A change that breaks weights, unbuilt; then it is taken back."""
    review.request(job(name="resnet34"), build=False)
    ran = review.gitlab(server)
    assert ran.failed == ["script"] and "is stale" in ran.log
    (body,) = server.bodies
    assert body == ran.summary
    assert "**A folder is not what its job says: see the log.**" in body
    assert "### cells: **weight-breaking**" in body

    review.request(None, build=False)
    ran = review.gitlab(server)
    assert not ran.failed
    assert server.bodies == ["<!-- specc -->\nNo job changes.\n"]
    notes = f"/api/v4/projects/12/merge_requests/{NUMBER}/notes"
    assert server.calls[-1] == f"PUT {notes}/1000"


@pytest.mark.soak
@pytest.mark.parametrize(
    "text, settings, says",
    [
        (job(max_iterations=80), {}, "**recipe**"),
        (job(name="resnet34"), {"FAIL_ON": "weight-breaking"}, "**weight-breaking**"),
        (job(name="resnet19"), {}, "**A job is wrong: see the log.**"),
    ],
)
def test_a_merge_request(review, server, text, settings, says):
    review.request(text, build="resnet19" not in text)
    ran = review.gitlab(server, **settings)
    assert bool(ran.failed) == (says != "**recipe**"), ran.log
    assert says in server.bodies[0]


@pytest.mark.soak
def test_without_a_token_the_note_is_an_artifact(review, server):
    review.request(job(max_iterations=80), build=True)
    ran = review.gitlab(server, SPECC_TOKEN="")
    assert not ran.failed and server.calls == []
    assert "### cells: **recipe**" in ran.summary


def test_the_version_that_is_installed_is_this_one():
    for name in ("github.yml", "gitlab.yml"):
        text = (CHECKOUT / "docs/ci" / name).read_text("utf-8")
        assert f"  SPECC: specc-torch=={__version__} #" in text


# ---- pre-commit ----

HOOKS = {
    hook["id"]: hook
    for hook in yaml.safe_load((CHECKOUT / ".pre-commit-hooks.yaml").read_text())
}


def run_hook(name: str, folder: Path, place: Path) -> tuple[bool, str]:
    """Runs a hook on the staged files that it asks for, as pre-commit does: it passes
    with exit code 0, and if no file that git knows was changed."""
    hook = HOOKS[name]
    staged = git(folder, "diff", "--cached", "--name-only", "--diff-filter=ACMRTUXB")
    files = [
        path
        for path in staged.splitlines()
        if re.search(hook["files"], path) and not re.search(hook["exclude"], path)
    ]
    if not files:
        return True, "(no files to check) skipped"
    before = git(folder, "diff")
    done = subprocess.run(
        [*shlex.split(hook["entry"]), *files],
        cwd=folder,
        env=environment_of(place),
        capture_output=True,
        text=True,
    )
    passes = done.returncode == 0 and git(folder, "diff") == before
    return passes, done.stdout + done.stderr


def test_hooks_are_as_pre_commit_wants_them():
    assert sorted(HOOKS) == ["specc-build", "specc-check"]
    for hook in HOOKS.values():
        assert hook["language"] == "python" and hook["name"] and hook["description"]
        assert re.search(hook["files"], "job.json")
        assert re.search(hook["files"], "a/b/job.json")
        assert not re.search(hook["files"], "a/myjob.json")
        assert re.search(hook["exclude"], "a/.specc/pristine/job.json")


@pytest.mark.slow
def test_the_hook_of_check_refuses_a_wrong_job(review, tmp_path):
    (review.origin / JOB_PATH).write_text(job(name="resnet19"))
    git(review.origin, "add", "--all")
    passes, said = run_hook("specc-check", review.origin, tmp_path)
    assert not passes and f"--> {JOB_PATH}:" in said and "resnet19" in said
    (review.origin / JOB_PATH).write_text(job(name="resnet34"))
    git(review.origin, "add", "--all")
    assert run_hook("specc-check", review.origin, tmp_path)[0]


@pytest.mark.soak
def test_the_hook_of_build_brings_the_folder_up_to_date_once(review, tmp_path):
    (review.origin / JOB_PATH).write_text(job(max_iterations=80))
    git(review.origin, "add", "--all")
    passes, said = run_hook("specc-build", review.origin, tmp_path)
    assert not passes and "wrote" in said and "train.py" in said
    assert "80" in (review.origin / "cells/train.py").read_text()
    git(review.origin, "add", "--all")
    assert run_hook("specc-build", review.origin, tmp_path)[0]
    commit(review.origin)
    (review.origin / "notes.md").write_text("Of no job.\n")
    git(review.origin, "add", "--all")
    assert run_hook("specc-build", review.origin, tmp_path)[1].endswith("skipped")
