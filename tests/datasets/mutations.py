"""Changes of datasets at random, as tools and accidents make them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

from small_sets import image, write

VALUES = (
    *(
        "0.0",
        "1.000e+00",
        "1e400",
        "nan",
        "-1",
        "0777",
        "yes",
        "no",
        "null",
        "~",
        ".nan",
    ),
    *(
        "a ",
        " b",
        "A",
        "",
        "1_0",
        "2024-01-01",
        "../one.png",
        "/etc/passwd",
        "\\one.png",
    ),
    *(".\\one.png", "./one.png", "one.PNG", "a,b", "é", "x" * 300, "[", "{}", "'", "#"),
)
JUNK = (None, True, 0, -1, 1.5, 1e300, "", "a ", "../x", [], {}, [[]], ["a"], "one.png")


def mutate(folder: Path, rng: random.Random) -> list[str]:
    """Change a dataset once to three times; returns what was done."""
    done = []
    for _ in range(rng.randint(1, 3)):
        change = rng.choice(CHANGES)
        change(folder, rng)
        done.append(change.__name__)
    return done


def texts_in(folder: Path) -> list[Path]:
    suffixes = (".yaml", ".json", ".xml", ".txt", ".csv")
    return sorted(x for x in folder.rglob("*") if x.suffix in suffixes and x.is_file())


def images_in(folder: Path) -> list[Path]:
    found = (x for x in folder.rglob("*") if x.suffix.lower() == ".png")
    return sorted(path for path in found if path.is_file())


def changes_text(change: Callable[[bytes, random.Random], bytes]) -> Callable:
    """A change of a random file of text; where there is none, of nothing."""

    def changed(folder: Path, rng: random.Random) -> None:
        if files := texts_in(folder):
            path = rng.choice(files)
            path.write_bytes(change(path.read_bytes(), rng))

    changed.__name__ = change.__name__
    return changed


def changes_image(change: Callable[[Path, random.Random], None]) -> Callable:
    def changed(folder: Path, rng: random.Random) -> None:
        if files := images_in(folder):
            change(rng.choice(files), rng)

    changed.__name__ = change.__name__
    return changed


@changes_text
def byte_order_mark(text: bytes, rng: random.Random) -> bytes:
    return b"\xef\xbb\xbf" + text


@changes_text
def windows_lines(text: bytes, rng: random.Random) -> bytes:
    return text.replace(b"\n", b"\r\n")


@changes_text
def spaces_at_ends(text: bytes, rng: random.Random) -> bytes:
    return text.replace(b"\n", b"  \n")


@changes_text
def blank_lines(text: bytes, rng: random.Random) -> bytes:
    return text.replace(b"\n", b"\n\n") + b"\n \n"


@changes_text
def cut_short(text: bytes, rng: random.Random) -> bytes:
    return text[: rng.randint(0, len(text))]


@changes_text
def another_byte(text: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(text) + 1)
    return text[:place] + bytes([rng.randrange(256)]) + text[place + 1 :]


@changes_text
def another_encoding(text: bytes, rng: random.Random) -> bytes:
    whole = text.decode("utf-8", "replace")
    return whole.encode(rng.choice(["utf-16", "latin-1", "utf-8-sig"]), "replace")


@changes_text
def a_line_twice(text: bytes, rng: random.Random) -> bytes:
    lines = text.splitlines(keepends=True) or [b""]
    place = rng.randrange(len(lines))
    return b"".join([*lines[: place + 1], *lines[place:]])


@changes_text
def a_line_less(text: bytes, rng: random.Random) -> bytes:
    lines = text.splitlines(keepends=True) or [b""]
    place = rng.randrange(len(lines))
    return b"".join([*lines[:place], *lines[place + 1 :]])


@changes_text
def another_word(text: bytes, rng: random.Random) -> bytes:
    """A word, a number or a name is replaced."""
    words = sorted({b"a", b"no", b"one", b"one.png", b"0", b"1", b"2", b"11", b"0.5"})
    known = [word for word in words if word in text] or [b""]
    word, value = rng.choice(known), rng.choice(VALUES).encode()
    places = text.split(word) if word else [text, b""]
    place = rng.randrange(1, len(places)) if len(places) > 1 else 1
    return word.join(places[:place]) + value + word.join(places[place:])


@changes_text
def another_value(text: bytes, rng: random.Random) -> bytes:
    """Replaces, drops or repeats a value anywhere in a JSON file."""
    try:
        content = json.loads(text)
    except ValueError:
        return text
    place = content
    while isinstance(place, (dict, list)) and place:
        key = rng.choice(list(place) if isinstance(place, dict) else range(len(place)))
        if not isinstance(place[key], (dict, list)) or rng.random() < 0.2:
            if rng.random() < 0.3:
                del place[key]
            elif isinstance(place, list) and rng.random() < 0.5:
                place.append(place[key])
            else:
                place[key] = rng.choice(JUNK)
            break
        place = place[key]
    return json.dumps(content).encode()


@changes_image
def broken_header(path: Path, rng: random.Random) -> None:
    path.write_bytes(path.read_bytes()[: rng.choice([0, 5, 20])])


@changes_image
def upper_case(path: Path, rng: random.Random) -> None:
    path.rename(path.with_suffix(".PNG"))


@changes_image
def no_image(path: Path, rng: random.Random) -> None:
    path.unlink()


@changes_image
def hidden_file(path: Path, rng: random.Random) -> None:
    write(path.with_name(f"._{path.name}"), b"\0\5\x16\7")


@changes_image
def hidden_folder(path: Path, rng: random.Random) -> None:
    name = rng.choice([".ipynb_checkpoints", "__MACOSX"])
    write(path.parent / name / path.name, image(20))


@changes_image
def system_file(path: Path, rng: random.Random) -> None:
    write(path.with_name(rng.choice(["Thumbs.db", "desktop.ini", ".DS_Store"])), b"x")


@changes_image
def a_link_instead(path: Path, rng: random.Random) -> None:
    """One image becomes a link to another."""
    other = rng.choice([x for x in path.parent.rglob("*.png") if x != path] or [path])
    if other != path and not other.is_symlink():
        path.unlink()
        path.symlink_to(other)


@changes_image
def a_link_to_the_folder(path: Path, rng: random.Random) -> None:
    place = path.parent / "again"
    if not place.exists():
        place.symlink_to(path.parent, target_is_directory=True)


@changes_image
def a_run_of_specc(path: Path, rng: random.Random) -> None:
    write(path.parent / "runs" / "x" / "metrics.jsonl", "{}\n")
    write(path.parent / "runs" / "x" / "predictions.png", image(21))


CHANGES = (
    *(byte_order_mark, windows_lines, spaces_at_ends, blank_lines, cut_short),
    *(another_byte, another_encoding, a_line_twice, a_line_less, another_word),
    *(another_word, another_value, another_value, broken_header, upper_case, no_image),
    *(hidden_file, hidden_folder, system_file, a_link_instead, a_link_to_the_folder),
    a_run_of_specc,
)
