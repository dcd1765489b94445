"""Runs what `docs/ci` holds as GitHub and GitLab do: the shell steps of the YAML, in a
clone of a repository, against a server that keeps comments as the services do."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import yaml
from processes import environment

CHECKOUT = Path(__file__).parent.parent
TOKEN, NUMBER = "t0ken", 7
NAME = "acme/vision"
BASH = ["bash", "--noprofile", "--norc", "-eo", "pipefail"]


# ---- Repositories ----


def git(folder: Path, *arguments: str) -> str:
    """Returns what git prints; the name of who commits is given."""
    who = [
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b.c",
        "-c",
        "init.defaultBranch=main",
    ]
    call = ["git", *who, "-C", str(folder), *arguments]
    done = subprocess.run(call, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def commit(folder: Path, message: str = "change") -> str:
    """Commits all that is in the folder; the commit's name."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)
    return git(folder, "rev-parse", "HEAD")


def command_of(folder: Path) -> Path:
    """Returns a folder for PATH with the commands `specc`, as of this checkout, and
    `python`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, code in (("specc", '-m specc.cli "$@"'), ("python", '"$@"')):
        path = folder / name
        path.write_text(f"#!/bin/sh\nexec {shlex.quote(sys.executable)} {code}\n")
        path.chmod(0o755)
    return folder


def environment_of(place: Path, **changes: str) -> dict[str, str]:
    """Returns the environment of a step: no variable of a service that runs these
    tests, `specc` on PATH."""
    found = environment(**changes)
    services = re.compile("(GITHUB|RUNNER|CI|GITLAB|SPECC)_")
    kept = {k: v for k, v in found.items() if k in changes or not services.match(k)}
    return kept | {"PATH": f"{command_of(place / 'bin')}:{kept['PATH']}"}


# ---- Comments ----


@dataclass
class Server:
    """The comments of one pull request, or notes of one merge request, by id."""

    comments: dict[int, dict] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    url: str = ""

    @property
    def bodies(self) -> list[str]:
        return [one["body"] for one in self.comments.values()]

    def __enter__(self) -> Server:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.answer(200, [*server.comments.values()])

            def do_POST(self):
                known = len(server.comments)
                self.change(1000 + known, 201)

            def do_PATCH(self):
                self.change(int(self.path.rpartition("/")[2]), 200)

            do_PUT = do_PATCH

            def change(self, number: int, code: int):
                data = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = "body=" in data[:5]
                body = parse_qs(data)["body"][0] if form else json.loads(data)["body"]
                one = {"id": number, "body": body, "user": {"type": "Bot"}}
                if self.allowed():
                    server.comments[number] = one
                self.answer(code, one)

            def allowed(self) -> bool:
                bearer = self.headers["Authorization"] == f"Bearer {TOKEN}"
                return bearer or self.headers["PRIVATE-TOKEN"] == TOKEN

            def answer(self, code: int, value: object):
                path = urlsplit(self.path).path
                server.calls.append(f"{self.command} {path}")
                self.send_response(code if self.allowed() else 401)
                self.end_headers()
                self.wfile.write(json.dumps(value).encode())

            def log_message(self, *arguments):
                pass

        self._http = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


# ---- GitHub ----


@dataclass
class Ran:
    """The end of a workflow: each step's outcome by its name, the log, the summary."""

    outcomes: dict[str, str]
    log: str
    summary: str

    @property
    def failed(self) -> list[str]:
        return [name for name, how in self.outcomes.items() if how == "failure"]


def github(place: Path, origin: Path, server: Server, fork=False, **settings) -> Ran:
    """Runs docs/ci/github.yml for the pull request whose merge is origin's HEAD;
    `settings` replace those at the head of the file."""
    workflow = yaml.safe_load((CHECKOUT / "docs/ci/github.yml").read_text("utf-8"))
    (job,) = workflow["jobs"].values()
    checkout, _, install, *steps = job["steps"]
    assert install["run"] == 'pip install "$SPECC"'  # a release, not to be had here
    clone(origin, place / "checkout", depth=checkout["with"]["fetch-depth"])
    place.joinpath("temporary").mkdir()
    summary = place / "summary.md"
    given = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_API_URL": server.url,
        "GITHUB_BASE_REF": "main",
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_REPOSITORY": NAME,
        "GITHUB_STEP_SUMMARY": str(summary),
        "RUNNER_TEMP": str(place / "temporary"),
    }
    given |= workflow["env"] | settings
    head = "someone/vision" if fork else NAME
    known = {
        "github.token": TOKEN,
        "github.repository": NAME,
        "github.event.pull_request.number": NUMBER,
        "github.event.pull_request.head.repo.full_name": head,
    }
    return _run_steps(place, steps, given, known, summary)


def _run_steps(place: Path, steps, given, known, summary: Path) -> Ran:
    outcomes, log = {}, ""
    for step in steps:
        success = "failure" not in outcomes.values()
        if not evaluate(step.get("if", "success()"), known, success):
            outcomes[step["name"]] = "skipped"
        else:
            own = {k: fill(v, known) for k, v in step.get("env", {}).items()}
            done = subprocess.run(
                [*BASH, "-c", step["run"]],
                cwd=place / "checkout",
                env=environment_of(place, **(given | own)),
                capture_output=True,
                text=True,
            )
            log += done.stdout + done.stderr
            outcomes[step["name"]] = "failure" if done.returncode else "success"
        known[f"steps.{step.get('id', '')}.outcome"] = outcomes[step["name"]]
    return Ran(outcomes, log, summary.read_text() if summary.exists() else "")


EXPRESSION = re.compile(r"\$\{\{ (.*?) \}\}")
NAMED = re.compile(r"\b(?:github|steps)\.[\w.]+")


def fill(text: object, known: dict[str, object]) -> str:
    """Returns a text of a workflow with the values of its expressions."""
    return EXPRESSION.sub(lambda found: str(known[found[1]]), str(text))


def evaluate(condition: str, known: dict[str, object], success: bool) -> bool:
    """Returns the value of a step's `if`. GitHub adds success() where a condition asks
    for no state."""
    found = EXPRESSION.fullmatch(condition)
    text = found[1] if found else condition
    asks = re.search(r"\b(success|failure|always|cancelled)\(\)", text)
    text = NAMED.sub(lambda name: repr(known[name[0]]), text)
    text = text.replace("!cancelled()", "True").replace("success()", repr(success))
    text = text.replace("&&", " and ").replace("||", " or ")
    return bool(eval(text, {"__builtins__": {}})) and (bool(asks) or success)


def clone(origin: Path, folder: Path, depth: int) -> None:
    flags = ["--depth", str(depth)] if depth else []
    url = origin.absolute().as_uri()
    git(origin, "clone", "--quiet", *flags, url, str(folder.absolute()))


# ---- GitLab ----


def gitlab(place: Path, origin: Path, base: str, server: Server, **settings) -> Ran:
    """Runs docs/ci/gitlab.yml for the merge request whose head is origin's HEAD, and
    which began at the commit `base`."""
    (job,) = yaml.safe_load((CHECKOUT / "docs/ci/gitlab.yml").read_text()).values()
    assert job["before_script"] == ['pip install --quiet "$SPECC"']
    clone(origin, place / "checkout", depth=int(job["variables"]["GIT_DEPTH"]))
    given = {
        "CI_API_V4_URL": f"{server.url}/api/v4",
        "CI_PROJECT_ID": "12",
        "CI_MERGE_REQUEST_IID": str(NUMBER),
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": base,
        "CI_PIPELINE_SOURCE": "merge_request_event",
        "SPECC_TOKEN": TOKEN,
    }
    given |= {key: str(value) for key, value in job["variables"].items()} | settings
    done = subprocess.run(
        [*BASH, "-c", "\n".join(job["script"])],
        cwd=place / "checkout",
        env=environment_of(place, **given),
        capture_output=True,
        text=True,
    )
    (note,) = job["artifacts"]["paths"]
    path = place / "checkout" / note
    outcomes = {"script": "failure" if done.returncode else "success"}
    return Ran(outcomes, done.stdout + done.stderr, path.read_text())
