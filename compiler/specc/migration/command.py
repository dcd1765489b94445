"""`specc migrate`: reads weights, carries them over to another job, writes them."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from specc.build import compile_job
from specc.datasets.files import require
from specc.diagnostics import JobError, fail
from specc.differences.sides import Side, side, side_of
from specc.folder.judge import is_same_file
from specc.graph.names import named_options
from specc.timm.models import is_timm
from specc.words import number_of

FORMAT = 1  # newest form of checkpoints
SEED = 0  # for tensors that are drawn anew
SHOWN = 8  # most tensors and names that are listed


def migrate(weights: Path, place: str, output: Path, renames: Iterable[str]) -> int:
    """Writes the weights, and prints what was kept, moved and drawn anew. Raises
    JobError E408, E413 to E415, E420."""
    for file, what in ((weights, "weights"), (Path(place), "job")):
        if is_same_file(file, output) or is_same_file(file / "job.json", output):
            message = f"`{output}` is the {what} itself, and would be lost"
            fail("E420", message, help="name another file by -o")
    require("torch")
    import torch

    from specc.migration.carry import carry

    content = _loaded(weights)
    old, new = _former(weights, content), side(place)
    renamed = _renamed(renames, old, new)
    _refuse_cases(old, new, renamed)
    torch.manual_seed(SEED)
    fresh, job = _drawn(new)
    state = content.get("ema") or content["model"]
    found = carry(old, new, state, fresh, renamed)
    if not (found.kept or found.moved or found.converted):
        message = f"no tensor of `{weights}` has a counterpart in the job"
        fail("E415", message, help="name weights of a job that is more alike")
    _save({"format": 1, "job": job, "model": found.state, "metrics": {}}, output)
    _say(found, output)
    return 0


def _loaded(path: Path) -> dict[str, Any]:
    """Raises JobError E413."""
    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        assert isinstance(content["job"], str)
        for state in (content["model"], content.get("ema") or {}):
            assert all(isinstance(value, torch.Tensor) for value in state.values())
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        help = "name a best.pt or last.pt of a run"
        fail("E413", f"cannot read the weights `{path}`: {reason}", help=help)
    except Exception:  # torch.load raises many kinds of errors on foreign files
        help = "name a best.pt or last.pt of a run"
        fail("E413", f"`{path}` is no checkpoint of train.py", help=help)
    version = content.get("format", FORMAT)
    if version != FORMAT:
        message = f"`{path}` has format {version}, this specc reads format {FORMAT}"
        fail("E413", message, help="update specc: a newer one wrote the weights")
    for name, tensor in (content.get("ema") or content["model"]).items():
        if not torch.isfinite(tensor).all():
            message = f"`{name}` of `{path}` has values that are not finite"
            fail("E413", message, help="name weights from before the run diverged")
    return content


def _former(path: Path, content: dict[str, Any]) -> Side:
    """Returns the job inside a checkpoint. Raises JobError E413."""
    try:
        return side_of(str(path), content["job"].encode())
    except JobError as error:
        first = error.diagnostics[0]
        message = f"the job inside `{path}` is none that this specc reads"
        help = "migrate with the version of specc that built it first"
        fail("E413", message, note=f"{first.code}: {first.message}", help=help)


def _names(one: Side) -> set[str]:
    """Returns the names of heads, and those that heads tell apart."""
    return {name for names in _tellings(one) for name in names}


def _renamed(renames: Iterable[str], old: Side, new: Side) -> dict[str, str]:
    """Returns old name -> new name. Raises JobError E414."""
    renamed: dict[str, str] = {}
    help = "write OLD=NEW: a name of the weights, a name of the job"
    for given in renames:
        a, equals, b = given.partition("=")
        if not equals:
            fail("E414", f"--rename {given}: there is no new name", help=help)
        for name, job, where in ((a, old, "weights"), (b, new, "job")):
            if name not in _names(job):
                message = f"--rename {given}: the {where} has no name `{name}`"
                fail("E414", message.replace("weights has", "weights have"), help=help)
        if renamed.setdefault(a, b) != b:
            message = f"`{a}` cannot become both `{renamed[a]}` and `{b}`"
            fail("E414", message, help="leave out one --rename")
    for names in _tellings(old):
        _refuse_unions(names, renamed, _names(new))
    return renamed


def _tellings(one: Side) -> Iterator[Iterable[str]]:
    """Yields the names that are told apart: those of heads, those of each option."""
    yield [head.name for head in one.job.heads]
    for head in one.job.heads:
        for option in named_options(head):
            yield getattr(head, option)


def _refuse_unions(
    names: Iterable[str], renamed: dict[str, str], wanted: set[str]
) -> None:
    """Refuses two old names that would be one new name, of which only one can give it
    its weights. Raises JobError E414."""
    sources: dict[str, str] = {}
    for name in names:
        target = renamed.get(name, name)
        other = sources.setdefault(target, name)
        if other != name and target in wanted:
            message = f"`{other}` and `{name}` of the weights would both be `{target}`"
            help = "leave out the --rename of the one whose weights are not to stay"
            if target in (other, name):
                help = f"leave out the --rename, or tell what `{target}` is now"
            fail("E414", message, help=help)


def _refuse_cases(old: Side, new: Side, renamed: dict[str, str]) -> None:
    """Refuses names that differ only in case, which may be meant to be one. Raises
    JobError E414."""
    gone = _names(old) - _names(new) - {*renamed}
    added = _names(new) - _names(old) - {*renamed.values()}
    folded = {name.casefold(): name for name in added}
    pairs = [
        (name, folded[name.casefold()])
        for name in sorted(gone)
        if name.casefold() in folded
    ]
    if pairs:
        a, b = pairs[0]
        message = f"`{a}` of the weights and `{b}` of the job differ only in case"
        fail("E414", message, help=f"add --rename {a}={b}, or spell it alike")


def _drawn(new: Side) -> tuple[dict[str, Any], str]:
    """Returns the state of a new model, and the text of its resolved job."""
    compiled = compile_job(new.data)
    if is_timm(new.job.backbone.name):
        from specc.timm.importing import import_timm

        import_timm()
    with TemporaryDirectory() as folder:
        for path, text in compiled.files.items():
            place = Path(folder, path)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, "utf-8")
        spec = importlib.util.spec_from_file_location("model", Path(folder, "model.py"))
        module = importlib.util.module_from_spec(spec)
        keeps, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        try:
            spec.loader.exec_module(module)
        finally:
            sys.dont_write_bytecode = keeps
        model = getattr(module, compiled.model_class)()
    return model.state_dict(), compiled.files["resolved.json"]


def _save(content: dict[str, Any], output: Path) -> None:
    """Writes to a temporary file beside the output, which is then renamed. Raises
    JobError E405."""
    import torch

    temporary = output.with_name(f"{output.name}.tmp")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        torch.save(content, temporary)
        os.replace(temporary, output)
    except (OSError, RuntimeError) as error:
        temporary.unlink(missing_ok=True)
        reason = (
            getattr(error, "strerror", None) or str(error).splitlines()[0]
        ).lower()
        fail(
            "E405", f"cannot write `{output}`: {reason}", help="name another file by -o"
        )


def _say(found, output: Path) -> None:
    click.echo(f"kept      {number_of(len(found.kept), 'tensor')}")
    for key, names in found.moved.items():
        click.echo(f"moved     {key}: {_listed(names) or 'what has no name'}")
    for key, how in found.converted.items():
        click.echo(f"converted {key}: {how}")
    for key, reason in list(found.fresh.items())[:SHOWN]:
        click.echo(f"fresh     {key}: {reason}")
    if len(found.fresh) > SHOWN:
        more = number_of(len(found.fresh) - SHOWN, "more tensor")
        click.echo(f"fresh     and {more}")
    if found.left:
        left = number_of(len(found.left), "tensor")
        click.echo(f"left out  {left}: {_listed(found.left)}")
    click.echo(f"wrote     {output}")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
