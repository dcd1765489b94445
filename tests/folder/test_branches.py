"""Merges of two branches, each with edits and with another emitted text: no edit and no
emitted change is lost, whatever git made of them."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest
from outputs import output, tree

from specc.diagnostics import JobError
from specc.folder import record
from specc.folder.compare import compare
from specc.folder.write import write


def git(*words: str) -> int:
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    return subprocess.run(["git", *who, *words], capture_output=True).returncode


def commit(message: str) -> None:
    git("add", "-A")
    git("commit", "-qm", message)


class Change:
    """Lines changed, added and removed at random, each line unique."""

    def __init__(self, lines: list[str], rng: random.Random, side: str, most: int = 3):
        self.lines, self.made, self.taken = list(lines), set(), set()
        for number in range(rng.randint(0, most)):
            place, kind = rng.randrange(len(self.lines)), rng.choice("aacd")
            if kind in "cd" and len(self.lines) > 3:
                self.taken.add(self.lines.pop(place))
            if kind in "ac":
                line = f"{side}_{number} = {rng.random()}\n"
                self.lines.insert(place, line)
                self.made.add(line)
        self.made &= set(self.lines)

    @property
    def text(self) -> str:
        return "".join(self.lines)


def union(base: list[str], one: Change, other: Change) -> list[str]:
    """Lines with the changes of both."""
    for name, lines in (("base", base), ("one", one.lines), ("other", other.lines)):
        Path(name).write_text("".join(lines))
    call = ["git", "merge-file", "-p", "--union", "one", "base", "other"]
    done = subprocess.run(call, capture_output=True, encoding="utf-8")
    for name in ("one", "base", "other"):
        Path(name).unlink()
    lines = dict.fromkeys(done.stdout.splitlines(keepends=True))
    return [line for line in lines if line not in one.taken | other.taken]


def merge_at_random(source: Path, rng: random.Random) -> str:
    """Returns what became of the merge: refused, conflict or clean."""
    folder = Path("cells")
    base = [f"a_{number} = {number}\n" for number in range(rng.randint(6, 30))]
    sides = {name: Change(base, rng, name) for name in ("one", "other")}
    write(output(folder, source, model="".join(base)))
    git("init", "-q", "-b", "main")
    commit("base")
    edits = {}
    for name, emitted in sides.items():
        git("checkout", "-q", "-b", name, "main")
        write(output(folder, source, model=emitted.text))
        edits[name] = Change(emitted.lines, rng, f"mine_{name}")
        (folder / "model.py").write_text(edits[name].text)
        commit(name)
    stopped = git("merge", "one") != 0
    how = rng.choice(("left", "left", "--ours", "--theirs", "deleted", "committed"))
    if how.startswith("--"):
        git("checkout", how, "cells/.specc/manifest.json")
    elif how == "deleted" and stopped:
        (folder / record.MANIFEST).unlink()
    elif how == "committed":
        commit("with all markers")
    # The job of the merge has both changes of the emitted text, and one of its own.
    new = Change(union(base, sides["other"], sides["one"]), rng, "new")
    wanted = output(folder, source, model=new.text)
    before = tree(folder)
    try:
        written = write(wanted)
    except JobError as error:
        assert error.diagnostics[0].code in ("E403", "E411")
        assert tree(folder) == before
        return "refused"
    found = set((folder / "model.py").read_text().splitlines(keepends=True))
    made = edits["one"].made | edits["other"].made
    gone = edits["one"].taken | edits["other"].taken
    assert made <= found | (sides["one"].taken | sides["other"].taken)
    assert set(new.lines) - gone <= found
    if not written.is_clean:
        return "conflict"
    assert record.pristine(folder, "model.py") == new.text
    assert compare(wanted).is_current()
    if found <= set(new.lines) | made:
        return "clean"
    assert "model.py" in written.edited  # a line that the job drops stays, and is told
    return "clean with a rest"


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_lost(place, source, seed):
    merge_at_random(source, random.Random(seed))


@pytest.mark.soak
def test_nothing_is_lost_in_many(place, source):
    ends = []
    for seed in range(300):
        ends.append(merge_at_random(source, random.Random(seed)))
        for path in (".git", "cells"):
            shutil.rmtree(path)
    assert ends.count("clean") > 80
    assert ends.count("refused") < 150
