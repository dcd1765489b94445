"""The command line: flags, help and exit codes; commands/ does the work.

Exit codes: 0; 1 the job, the data or the flags are wrong, or an output is stale; 2
specc itself failed; 130 after Ctrl-C. The passes are imported by the command that needs
them, so that `--help` answers at once.
"""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import click

from specc import __version__
from specc.annotations.cli import annotations
from specc.bench.cli import bench
from specc.commands.adopt import adopt
from specc.commands.flags import BELOW, FINDINGS, FORM, LABELS
from specc.datasets.gate.command import data
from specc.diagnostics import JobError
from specc.differences.cli import diff
from specc.forecast.cli import forecast
from specc.imports.cli import import_
from specc.migration.cli import migrate
from specc.origins.cli import where, why
from specc.reports.cli import report
from specc.runs.cli import compare, sweep

JOBS = click.argument("jobs", metavar="JOB...", nargs=-1, required=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="specc", message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Turns a declarative computer-vision job into PyTorch code that you own.

    \b
    specc demo                 from nothing to a trained detector, in minutes
    specc init TASK --data D   a starting job for a dataset
    specc import D -o N        a dataset in another layout, in the native one
    specc data job.json        what is in its dataset, in numbers and pictures
    specc check job.json       what is wrong with a job
    specc build job.json       write model.py, train.py and the rest
    specc forecast job.json    how long it will train here, and in how much memory
    specc diff                 what an edit of job.json means for weights and callers
    specc why detector/f.py:9  which fields of the job made a line
    specc score detector       how well each category is found, and what as what
    """
    if os.environ.get("NO_COLOR"):
        context.color = False


@cli.command()
@JOBS
@FINDINGS
@click.option("--fix", is_flag=True, help="Make the edits that are certain.")
@click.option("--unsafe", is_flag=True, help="With --fix: make the likely ones too.")
def check(jobs: tuple[str, ...], form: str, fix: bool, unsafe: bool) -> int:
    """Say what is wrong with jobs; write nothing, but for --fix.

    \b
    specc check job.json
    specc check --format json job.json
    specc check --fix job.json
    """
    if unsafe and not fix:
        raise click.UsageError("--unsafe belongs to --fix")
    if fix and form == "github":
        raise click.UsageError("--fix changes lines: annotate what is left without it")
    from specc.commands.check import check

    return check(jobs, form, fix, unsafe)


@cli.command()
@click.argument("job")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "mermaid", "svg", "json"]),
    default="table",
    show_default=True,
    help="A table of the levels, a diagram for Markdown or HTML, or every node.",
)
def graph(job: str, form: str) -> int:
    """Show a job's levels: shapes, parameters, cost.

    \b
    specc graph job.json
    specc graph --format mermaid job.json
    """
    from specc.commands import jobs as commands

    return commands.graph(job, form)


@cli.command()
@JOBS
@click.option(
    "-o",
    "output",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The output folder; for several jobs the folder that gets one for each.  "
    "[default: the job's own folder if specc wrote it, or if it is named as the job; "
    "else generated/NAME]",
)
@click.option(
    "--tests/--no-tests",
    default=None,
    help="Write test_contract.py too, for pytest; or take it away.  "
    "[default: keep it where it is]",
)
@click.option(
    "--package/--no-package",
    default=None,
    help="Write a package, with relative imports, for `python -m`; or scripts that run "
    "by path.  [default: keep what is there]",
)
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if a build is due.")
@click.option("--strict", is_flag=True, help="With --check: exit 1 for your edits too.")
@click.option("--verify", is_flag=True, help="Compare model.py with the level graph.")
@click.option(
    "--force",
    is_flag=True,
    help="Overwrite files that you edited; copies are kept as FILE.orig.",
)
@click.option("--dry-run", is_flag=True, help="Write nothing; say what would happen.")
@FINDINGS
def build(
    jobs: tuple[str, ...],
    output: Path | None,
    tests: bool | None,
    package: bool | None,
    check: bool,
    strict: bool,
    verify: bool,
    force: bool,
    dry_run: bool,
    form: str,
) -> int:
    """Write the code of jobs. What you edited is merged with what a job changes.

    \b
    specc build job.json
    specc build -o detector job.json
    specc build --tests --package -o vision/detector job.json
    specc build --check generated/*/job.json
    specc build --check --format github generated/*/job.json
    """
    if not check and (strict or form != "text"):
        flag = "--strict" if strict else "--format"
        raise click.UsageError(f"{flag} belongs to --check")
    if check and (force or dry_run):
        raise click.UsageError(
            "--check writes nothing: leave --force and --dry-run out"
        )
    from specc.commands import jobs as commands
    from specc.folder.jobfiles import Wanted

    wanted = Wanted(tests, package)
    if check:
        return commands.build_check(jobs, output, wanted, strict, verify, form)
    return commands.build(jobs, output, wanted, verify, force, dry_run)


FORMATS = click.Choice(
    ["native", "coco", "voc", "yolo", "dota", "csv", "folders", "maps"]
)


@cli.command()
@click.argument("task")
@click.option(
    "--data",
    required=True,
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="The folder of a dataset, or the file that describes it.",
)
@click.option(
    "--root",
    metavar="ROOT",
    type=click.Path(path_type=Path),
    help="Where the paths in the job begin, for `train.py --data ROOT`.  "
    "[default: this folder]",
)
@click.option(
    "-o",
    "output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    default=Path("job.json"),
    show_default=True,
    help="The job to write.",
)
@click.option("--format", "form", type=FORMATS, help="The dataset's, where two fit.")
@LABELS
@click.option("--force", is_flag=True, help="Overwrite the file.")
def init(
    task: str,
    data: Path,
    root: Path | None,
    output: Path,
    form: str | None,
    labels: str | None,
    force: bool,
) -> int:
    """Look at a dataset, and write a job that learns TASK from it.

    Recognizes the format, the sets, names and sizes of images. The job builds and
    trains as it is, from the folder in which you are, or from ROOT: then no path of
    this machine is in it. It starts from random weights, and needs no network.

    \b
    specc init object_detection --data traffic
    specc init object_detection --data /data/traffic --root /data
    specc init regression --data houses.csv --labels price -o price/job.json
    """
    from specc.datasets.init import init

    return init(task, data, root, output, form, labels, force)


for command in (adopt, annotations, bench, compare, data, diff, forecast, import_):
    cli.add_command(command)
for command in (migrate, report, sweep, where, why):
    cli.add_command(command)


@cli.command()
@click.argument("code", required=False)
def explain(code: str | None) -> int:
    """Explain an error, a warning or a finding about data; without a code, list them.

    \b
    specc explain
    specc explain E203
    """
    from specc.commands import jobs as commands

    return commands.explain(code)


@cli.command()
@click.argument("topic", required=False)
def docs(topic: str | None) -> int:
    """Print a page of the documentation; without a topic, list them.

    \b
    specc docs
    specc docs native
    """
    from specc.pages.docs import docs

    return docs(topic)


@cli.command()
def schema() -> int:
    """Print the JSON Schema of a job, for editors and other tools.

    \b
    specc schema > job.schema.json
    """
    from specc.commands import jobs as commands

    return commands.schema()


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--weights",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="best.pt or last.pt of a run.",
)
@BELOW
@click.option(
    "--min-score",
    type=click.FloatRange(0, 1),
    help="Of predictions that count.  [default: that of the best F1]",
)
@click.option("--device", help="cuda or cpu.  [default: cuda where there is one]")
@click.option("--workers", type=int, help="Processes that read images.")
@click.option(
    "-o",
    "output",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Write the tables there too, as CSV.",
)
@FORM
def score(folder: Path, output: Path | None, form: str, **options) -> int:
    """Say how well a trained detector finds each category, and what it takes for what.

    AP (of segments, PQ), precision, recall and F1 by category, and the confusion matrix
    of boxes, masks and quadrilaterals, on the images that evaluate.py judges.

    \b
    specc score detector --weights runs/detector/best.pt --min-score 0.4 -o tables
    """
    from specc.datasets.files import require

    require("numpy", "cv2", "PIL", "yaml", "torch")
    from specc.scores.score import score

    return score(folder, output, form, **options)


@cli.command()
@click.option(
    "-o",
    "output",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default=Path("specc-demo"),
    show_default=True,
    help="The folder to work in.",
)
@click.option(
    "--iterations",
    metavar="N",
    type=click.IntRange(min=1),
    help="How long to train.  [default: what the demo's job says]",
)
def demo(output: Path, iterations: int | None) -> int:
    """Draw a small dataset, build a job for it and train it.

    \b
    specc demo
    specc demo -o /tmp/demo --iterations 20
    """
    from specc.commands.demo import DemoError, run

    try:
        run(output, iterations)
    except DemoError as error:
        raise click.ClickException(str(error)) from error
    return 0


def run_cli(arguments: list[str]) -> int:
    """Runs one command line and reports every failure. Returns the exit code."""
    try:
        code = cli.main(arguments or ["--help"], "specc", standalone_mode=False)
        return code or 0
    except (click.exceptions.Abort, KeyboardInterrupt):
        return 130
    except click.ClickException as error:  # a wrong flag is the user's fault
        error.show()
        return 1
    except JobError as error:
        from specc.commands.jobs import say_findings

        say_findings(error.diagnostics, error.data, error.path)
        return 1
    except Exception as error:
        if os.environ.get("SPECC_DEBUG") == "1":
            raise
        say_bug(error)
        return 2


def say_bug(error: Exception) -> None:
    what = f"{type(error).__name__}: {error}".rstrip(": ")
    click.echo(f"specc failed; this is a bug in specc: {what}", err=True)
    click.echo("SPECC_DEBUG=1 shows where; please report it with the job", err=True)


def main() -> None:
    # Syntax trees are many objects and hardly any garbage: a garbage collection for
    # every thousand objects took a fifth of a build.
    gc.set_threshold(100_000, 20, 100)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # names may hold any Unicode
    try:
        code = run_cli(sys.argv[1:])
    except Exception:
        import traceback

        traceback.print_exc()
        code = 2
    sys.exit(code)


if __name__ == "__main__":
    main()
