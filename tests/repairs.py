"""Edits of findings, made by an applier of JSON Patch of the tests' own, and looked at
again through the command line."""

from __future__ import annotations

import contextlib
import copy
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

from specc.analysis.analyze import findings_of
from specc.cli import run_cli


def checked(path: Path, *flags: str) -> list[dict]:
    """The findings that `specc check --format json` prints about a job."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = run_cli(["check", "--format", "json", *flags, str(path)])
    found = [json.loads(line) for line in out.getvalue().splitlines()]
    left = [one for one in found if not one["applied"]]
    assert code == any(one["severity"] == "error" for one in left)
    return found


def counted(findings: list[dict]) -> Counter:
    return Counter((one["code"], one["pointer"]) for one in findings)


def applied(value: Any, patch: list[dict]) -> Any:
    """The value after a patch, by the letter of RFC 6902."""
    value = copy.deepcopy(value)
    for operation in patch:
        op, path = operation["op"], parts(operation["path"])
        if op == "move":
            holder, key = place(value, parts(operation["from"]))
            add(value, path, holder.pop(key))
        elif op == "remove":
            holder, key = place(value, path)
            del holder[key]
        elif op == "replace":
            holder, key = place(value, path)
            assert key in holder or isinstance(holder, list)
            holder[key] = operation["value"]
        else:
            assert op == "add"
            add(value, path, operation["value"])
    return value


def add(value: Any, path: list[str], item: Any) -> None:
    holder, key = place(value, path)
    if isinstance(holder, list):
        holder.insert(key, item)
    else:
        holder[key] = item


def place(value: Any, path: list[str]) -> tuple[Any, Any]:
    for part in path[:-1]:
        value = value[int(part) if isinstance(value, list) else part]
    last = path[-1]
    return value, int(last) if isinstance(value, list) else last


def parts(pointer: str) -> list[str]:
    assert pointer.startswith("/")
    return [x.replace("~1", "/").replace("~0", "~") for x in pointer.split("/")[1:]]


def check_repairs(path: Path, counts: Counter) -> list[dict]:
    """Makes each certain edit of a job alone: its finding goes, and none comes.

    Returns the findings.
    """
    data = path.read_bytes()
    findings = checked(path)
    counts["findings"] += len(findings)
    before = counted(findings)
    for finding in findings:
        counts["likely"] += bool(finding["patch"]) and not finding["certain"]
        if not finding["certain"]:
            continue
        counts["certain"] += 1
        value = applied(json.loads(data), finding["patch"])
        after = Counter(
            (one.code, one.pointer) for one in findings_of(json.dumps(value).encode())
        )
        key = (finding["code"], finding["pointer"])
        assert after[key] < before[key], (finding, value)
        assert not after - before, (finding, after - before, value)
    return findings


def check_fixed(path: Path, findings: list[dict], *flags: str) -> list[dict]:
    """Mends a job with `--fix`: what is left was there before, and is certain no
    longer. Returns the findings that are left."""
    found = checked(path, "--fix", *flags)
    left = [one for one in found if not one["applied"]]
    made = [one for one in found if one["applied"]]
    assert not counted(left) - counted(findings), left
    assert not any(one["certain"] for one in left)
    assert bool(made) >= any(one["certain"] for one in findings)
    again = checked(path)
    assert counted(again) == counted(left)
    return left
