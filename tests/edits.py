"""Random edits of texts and folders, as users make them, and the laws that a merge of
them with a new render keeps: no edit is lost, and no change of the render."""

from __future__ import annotations

import ast
import json
import random
from collections import Counter
from itertools import accumulate
from pathlib import Path

OPEN, BASE, THEIRS, CLOSE = "<<<<<<< ", "||||||| ", "=======", ">>>>>>> "


# ---- Edits ----


def changed(lines: list[str], rng: random.Random, side: str) -> list[str]:
    """Returns the lines after a few random insertions, changes, deletions and moves.
    Each line that is made is unique."""
    lines = list(lines)
    for number in range(rng.randint(1, 4)):
        place = rng.randrange(len(lines) + 1)
        kind = rng.choice(("insert", "change", "delete", "move"))
        if kind == "insert" or place == len(lines):
            lines.insert(place, _made(lines, place, f"{side} {number} {rng.random()}"))
            continue
        line = lines.pop(place)
        if kind == "move":
            lines.insert(rng.randrange(len(lines) + 1), line)
        elif kind == "change":
            remark = f"  # {side} {number} {rng.random()}\n"
            lines.insert(place, line.rstrip("\n") + remark)
    return lines


def _made(lines: list[str], place: int, words: str) -> str:
    """Returns a comment that stands as deep as the line before which it comes."""
    line = lines[place] if place < len(lines) else ""
    return f"{line[: len(line) - len(line.lstrip(' '))]}# {words}\n"


# ---- Merged texts ----


def views(text: str) -> tuple[list[str], list[str]]:
    """Returns the lines of a text whose conflicts all end as the user's side, and of
    one where they end as the new side."""
    ours, theirs, side = [], [], ""
    for line in text.splitlines(keepends=True):
        if line.startswith(OPEN) or (side and line.startswith((BASE, CLOSE))):
            side = "" if line.startswith(CLOSE) else line[:8]
        elif side and line.rstrip("\n") == THEIRS:
            side = THEIRS
        else:
            if side in ("", OPEN):
                ours.append(line)
            if side in ("", THEIRS):
                theirs.append(line)
    return ours, theirs


def assert_nothing_is_lost(
    base: list[str], mine: list[str], new: list[str], text: str
) -> None:
    """Lines that either side made stand in the view of that side, and those that it
    removed do not, unless the other side has them elsewhere: git keeps both of a line
    that moved. Nothing stands in either view that neither side has. Lines that stand
    twice on any side tell nothing, as they may be either."""
    ours, theirs = map(set, views(text))
    counts = [Counter(lines) for lines in (base, mine, new)]
    once = {x for lines in counts for x in lines if all(c[x] <= 1 for c in counts)}
    old, of_user, of_render = (set(lines) & once for lines in (base, mine, new))

    assert of_user - old <= ours
    assert of_render - old <= theirs
    assert old & of_user & of_render <= ours | theirs
    assert not ((old - of_user) & of_render - _shifted(base, new)) & ours
    moved = _shifted(base, mine)
    if OPEN in text:
        moved |= _beside_others(base, mine)
    assert not ((old - of_render) & of_user - moved) & theirs
    assert ours | theirs <= {*mine, *new}


def _shifted(base: list[str], other: list[str]) -> set[str]:
    """Returns lines that stand in another order than before: some that both texts have
    are on the other side of each."""
    once = [Counter(base), Counter(other)]
    places = {line: place for place, line in enumerate(base)}
    common = [x for x in other if once[0][x] == once[1][x] == 1]
    order = [places[line] for line in common]
    highest = [-1, *accumulate(order, max)]
    lowest = [*accumulate(reversed(order), min)][::-1] + [len(base)]
    return {
        line
        for i, line in enumerate(common)
        if not highest[i] < order[i] < lowest[i + 1]
    }


def _beside_others(base: list[str], mine: list[str]) -> set[str]:
    """Returns lines next to which other lines stand that are there twice, such as blank
    ones: git may take a line that changed its side of a blank one for one that moved.
    """
    counts = [Counter(base), Counter(mine)]
    common = {x for x in base if counts[0][x] == 1 == counts[1][x]}
    sides = []
    for lines in (base, mine):
        found, above = {}, []
        for line in [*lines, ""]:
            if line in common:
                found[line], above = [*above, line], []
            else:
                above.append(line)
        sides.append(found)
    other = {line for line in common if sides[0][line] != sides[1][line]}
    order = [line for line in mine if line in common]
    return other | {x for x, below in zip(order, order[1:]) if below in other}


def parses(path: str, text: str) -> bool:
    """Whether Python or JSON can read the text; True of other files."""
    try:
        if path.endswith(".py"):
            ast.parse(text)
        elif path.endswith(".json"):
            json.loads(text)
    except (SyntaxError, ValueError):
        return False
    return True


# ---- Folders ----


def edit_folder(folder: Path, rng: random.Random) -> None:
    """Edits, deletes and renames files, and adds one."""
    for path in sorted(x for x in folder.iterdir() if x.is_file()):
        what = rng.random()
        if what < 0.06:
            path.unlink()
        elif what < 0.12:
            path.rename(folder / f"mine_{path.name}")
        elif what < 0.55:
            lines = path.read_text("utf-8").splitlines(keepends=True)
            path.write_text("".join(changed(lines, rng, "mine")), "utf-8")
    if rng.random() < 0.2:
        (folder / "notes.md").write_text(f"Of the user: {rng.random()}\n")
