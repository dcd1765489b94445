"""Whether tests notice: random mutants of emitted losses, decoders, geometry and metrics.

    PYTHONPATH=compiler python tests/mutants.py --count 200 --seed 0
    PYTHONPATH=compiler python tests/mutants.py --only "iou|nms" --count 20

A mutant changes one operator, comparison, constant, axis, or the order of two arguments in
one function of a head, of how images are placed on the canvas, of losses or predictions of
all heads, or in a method of a named tuple of these modules. Tests that call the function
run on it, then the rest of their files: a mutant lives if all pass. Goldens and slow tests
do not take part: what is imported is changed as it is compiled, whoever wrote it. A mutant
that lives is listed, with its reason from mutants.json if it has one. Ends with 1 if less
than 92 % die, or if one without a reason lives.

All tests run once at first, which takes three minutes on an idle core, then a mutant takes
about a second, and 30 if it lives. What no quick test calls is named: without mutants are
also functions that only pick a field, as `decode_views` does, in which nothing can change.
"""

from __future__ import annotations

import argparse
import ast
import builtins
import contextlib
import gc
import json
import os
import pickle
import random
import re
import resource
import signal
import sys
import tempfile
import time
from collections import defaultdict
from importlib import import_module
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from mutations import Mutant, Replace, mutants_of

HERE = Path(__file__).parent
TEMPLATES = HERE.parent / "templates"
MODULES = ("model", "data", "evaluate")
# Beside the parts of heads: how images and labels are placed, losses and decoding of all.
PAGES = (
    *("data/augment.py", "data/letterbox.py", "data/letterbox_boxes.py"),
    *("data/on_canvas.py", "model/loss_of_one.py", "model/loss_of_several.py"),
    *("model/decode.py", "model/predict_resized.py", "model/predict_unpadded.py"),
    "model/predict_whole.py",
)
TESTS = (
    *("heads", "scripts/test_shipped.py", "scripts/test_broken_images.py"),
    *("datasets/test_nothing_to_learn.py", "datasets/test_depth_told.py"),
    "datasets/test_bits.py",
)
# Functions whose text holds names of heads, so that each job of a test has its own: only
# those that are called have mutants. tests/heads/test_head_options.py calls one a task.
OF_ONE_JOB = ("loss_terms", "decode")
PATIENCE = 600  # seconds of a core until a mutant is stuck, which tests notice, too
WAITING = 5  # times as long by the clock: machines are shared, and processes may wait
BAR = 0.92
GET_CODE = SourceFileLoader.get_code
# First in a function while the tests that call it are found; torch.compile leaves it out.
TELL = """
import torch
if not torch.compiler.is_compiling():
    builtins_called({!r}, {})
"""

# Reasons why mutants live, by function and change: "0 -> -1" of each 0 of the function,
# "0 (no. 2) -> -1" of its second alone.
KNOWN = json.loads(Path(__file__).with_suffix(".json").read_text())


# ---- Emitted modules as they are imported ----


def parts() -> set[str]:
    """Names of the free functions of the parts of heads, and of PAGES."""
    paths = [
        path
        for path in (TEMPLATES / "heads").rglob("*.py*")
        if path.name.split(".")[0] in MODULES
    ]
    texts = [path.read_text() for path in paths]
    texts += [(TEMPLATES / f"{page}.jinja").read_text() for page in PAGES]
    return {name for text in texts for name in re.findall(r"^def (\w+)", text, re.M)}


def is_emitted(path: str) -> bool:
    place = Path(path)
    return place.stem in MODULES and (place.parent / "predict.py").exists()


def functions_of(tree: ast.Module, names: set[str]) -> dict[str, ast.FunctionDef]:
    """Returns functions of these names, and the methods of all named tuples, as
    "Transform.points"."""
    found = {x.name: x for x in tree.body if isinstance(x, ast.FunctionDef)}
    found = {name: function for name, function in found.items() if name in names}
    for owner in tree.body:
        if isinstance(owner, ast.ClassDef) and "NamedTuple" in map(
            ast.unparse, owner.bases
        ):
            methods = [x for x in owner.body if isinstance(x, ast.FunctionDef)]
            found |= {f"{owner.name}.{method.name}": method for method in methods}
    return found


def compile_with(change) -> None:
    """From now on emitted modules are changed as they are imported."""

    def get_code(self, name):
        path = self.get_filename(name)
        if not is_emitted(path):
            return GET_CODE(self, name)
        tree = ast.parse(self.get_data(path))  # whatever compiled code lies beside it
        change(tree)
        return compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True)

    SourceFileLoader.get_code = get_code


# ---- Children, forked once torch is imported ----


def in_child(act, patience: int = 3600) -> int | None:
    """Returns what `act` does in a process of its own that says nothing; None if stuck:
    after `patience` seconds of a core, as the clock runs on while others compute."""
    child = os.fork()
    if child == 0:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (patience, patience))
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        code = 99
        try:
            code = int(act())
        finally:
            os._exit(code)
    end = time.monotonic() + WAITING * patience
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            return None if code in (-signal.SIGXCPU, -signal.SIGKILL) else code
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def run_tests(tests: list[str], *further: str, plugins: tuple = ()) -> int:
    with tempfile.TemporaryDirectory() as place:
        flags = ["-x", "-q", "-m", "not slow", "-p", "no:cacheprovider"]
        flags += ["-p", "no:randomly", f"--basetemp={place}/tests"]
        flags += ["--rootdir", str(HERE), *further]
        return pytest.main([*flags, *tests], plugins=list(plugins))


def prepare(tests: list[str]) -> None:
    """Imports what tests do, once, before children are forked."""
    with open(os.devnull, "w") as quiet, contextlib.redirect_stdout(quiet):
        run_tests(tests, "--collect-only")
    import_module("cv2")
    gc.freeze()


def remember_builds(known: dict[bytes, bytes]) -> None:
    """From now on no job is compiled that is known, and those that are get known."""
    jobs = import_module("emitted_jobs")
    compile_raw = jobs.compile_raw

    def remembered(*given):
        key = pickle.dumps(given)
        if key not in known:
            known[key] = pickle.dumps(compile_raw(*given))
        return pickle.loads(known[key])

    jobs.compile_raw = remembered


class Times:
    """Seconds of each test."""

    def __init__(self):
        self.seconds: dict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report) -> None:
        self.seconds[report.nodeid] += report.duration


class Reach(NamedTuple):
    """The functions that tests call, their mutants, and functions that none of them calls
    though there is something to change in them."""

    tests: dict[str, list[str]]  # tests of each function, the fastest first
    mutants: list[Mutant]
    uncalled: list[str]


def reach(tests: list[str], names: set[str], report: Path) -> Reach:
    """Runs all tests once on code that tells which of its functions they call."""
    builds = report.with_suffix(".pickle")

    def act() -> int:
        calls, forms, seen, built = defaultdict(set), [], set(), {}
        remember_builds(built)

        def called(name: str, form: int) -> None:
            test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]
            calls[name].add(test)
            seen.add(form)

        def tell(tree: ast.Module) -> None:
            for name, function in functions_of(tree, names).items():
                telling = ast.parse(TELL.format(name, len(forms))).body
                forms.append((name, mutants_of(name, function)))
                function.body[:0] = telling

        builtins.builtins_called = called
        compile_with(tell)
        times = Times()
        code = run_tests(tests, plugins=(times,))
        order = sorted(times.seconds, key=times.seconds.get)
        reached = {name: [t for t in order if t in calls[name]] for name in calls}
        found = defaultdict(dict)  # mutants once each, in their order
        for form, (name, made) in enumerate(forms):
            if form in seen or name not in OF_ONE_JOB:
                found[name] |= dict.fromkeys(made)
        found = {name: [*made] for name, made in found.items()}
        report.write_text(json.dumps({"tests": reached, "mutants": found}))
        builds.write_bytes(pickle.dumps(built))
        return code

    code = in_child(act)
    if code != 0:
        raise SystemExit(f"the tests do not pass as they are (exit code {code})")
    remember_builds(pickle.loads(builds.read_bytes()))
    told = json.loads(report.read_text())
    tests, found = told["tests"], told["mutants"]
    made = [Mutant(*values) for each in found.values() for values in each]
    with_mutants = (names | found.keys()) - {x for x in found if not found[x]}
    uncalled = sorted(name for name in with_mutants if not tests.get(name))
    return Reach(tests, sorted(m for m in made if tests.get(m.function)), uncalled)


def fate(mutant: Mutant, tests: list[str], most: int) -> str:
    """Whether a mutant "lives": the fastest tests of its function, then the files of all
    of its tests pass; else it "dies", or is "stuck" in one of them."""

    def mutate(tree: ast.Module) -> None:
        functions = functions_of(tree, {mutant.function})
        if function := functions.get(mutant.function):
            Replace(mutant, function).visit(function)

    def act() -> int:
        compile_with(mutate)
        files = list(dict.fromkeys(test.split("::")[0] for test in tests))
        first = sorted(tests[:most], key=lambda test: files.index(test.split("::")[0]))
        return run_tests(first) or run_tests(files)

    code = in_child(act, PATIENCE)
    return "stuck" if code is None else "dies" if code else "lives"


def reason_of(mutant: Mutant) -> str:
    """Returns the reason why a mutant lives, empty if none is known."""
    known, after = KNOWN.get(mutant.function, {}), f" -> {mutant.after}"
    one = f"{mutant.before} (no. {mutant.turn + 1}){after}"
    return known.get(one) or known.get(f"{mutant.before}{after}", "")


def chosen(mutants: list[Mutant], count: int, seed: int, only: str) -> list[Mutant]:
    """A random choice, spread over the functions."""
    rng, by_function = random.Random(seed), defaultdict(list)
    for mutant in mutants:
        if re.search(only, mutant.function):
            by_function[mutant.function].append(mutant)
    for each in by_function.values():
        rng.shuffle(each)
    rounds = max(map(len, by_function.values()), default=0)
    order = []
    for turn in range(rounds):
        names = [name for name, each in by_function.items() if turn < len(each)]
        rng.shuffle(names)
        order += [by_function[name][turn] for name in names]
    return order[:count]


def main(args: argparse.Namespace) -> int:
    torch.set_num_threads(1)
    os.chdir(HERE)
    names, tests = parts(), list(args.tests or TESTS)
    prepare(tests)
    with tempfile.TemporaryDirectory() as place:
        found = reach(tests, names, Path(place) / "reach.json")
    print(
        f"{len(found.mutants)} mutants of {len(found.tests)} functions that tests call"
    )
    print(f"no quick test calls: {', '.join(found.uncalled) or 'none of the others'}")
    left, made = [], chosen(found.mutants, args.count, args.seed, args.only)
    for mutant in made:
        began = time.monotonic()
        said = fate(mutant, found.tests[mutant.function], args.most)
        alive = said == "lives"
        reason = reason_of(mutant)
        left += [reason] if alive else []
        told = f"  ({reason})" if alive and reason else ""
        seconds = time.monotonic() - began
        print(f"{said:5} {seconds:5.1f} s  {mutant}{told}", flush=True)
    share = 1 - len(left) / max(1, len(made))
    print(f"{len(made) - len(left)} of {len(made)} die: {share:.1%}")
    return int(share < BAR or not all(left))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="a pattern of functions' names")
    parser.add_argument("--most", type=int, default=40, help="tests run at first")
    parser.add_argument("tests", nargs="*", help="files, as pytest takes them")
    sys.exit(main(parser.parse_args()))
