"""`specc forecast`: what a run will take, reckoned from a few of its steps."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path


from specc.build import Compiled, compile_job
from specc.commands.jobs import say_findings
from specc.diagnostics import fail, job_at
from specc.folder.jobfiles import open_job
from specc.language.load import load
from specc.language.patch import Patch
from specc.language.rewrite import rewritten
from specc.words import number_of

MEASURE = Path(__file__).with_name("measure.py")
REFUSED = 5  # exit code of measure.py where train.py refuses the dataset
OUT_OF_MEMORY = (4, -9, 137)  # exit codes of measure.py, and where the kernel ended it
VALIDATION_SHARE = 0.1  # above which fewer validations are advised
WAITING_SHARE = 0.2  # fraction of a step above which a cache is advised


@dataclass(frozen=True)
class Run:
    """A run as it will be: seconds, images and bytes."""

    iterations: int
    limited: bool  # whether `max_hours` ends the run
    validations: int
    batch: int
    seconds_a_step: float
    seconds_waiting: float
    seconds_a_validation: float
    seconds: float
    validation_images: int
    peak_memory: int
    memory: int | None
    device: str

    @property
    def validation_share(self) -> float:
        return self.validations * self.seconds_a_validation / self.seconds


def forecast(name: str, root: Path, form: str, seconds: float, **flags: object) -> int:
    """Prints the forecast. Raises JobError for a wrong job, and E454 for a dataset
    that train.py refuses."""
    given = {key: value for key, value in flags.items() if value is not None}
    given["data"] = str(root.absolute())
    data, edits = open_job(name, None, False).data, []
    with job_at(name, data):
        compiled = compile_job(data)
    while (found := measured(compiled, seconds, given)) is None:
        halves = halved(load(data).value, compiled)
        if not halves:
            fail("E454", "one image a step does not fit into memory", help=SMALLER)
        edits = [*edits, *halves]
        data = rewritten(data, halves)
        compiled = compile_job(data)
    say_findings(compiled.warnings, data, name)
    run = reckoned(compiled, found)
    edits += advised(compiled, run)
    if form == "json":
        values = vars(run) | {"validation_share": run.validation_share}
        print(json.dumps(values | {"steps": found["steps_measured"], "edits": edits}))
        return 0
    print("\n".join(told(compiled.job.name, run)))
    for edit in edits:
        print(
            f"edit: {edit['path']}: {json.dumps(edit['value'])}  ({WHY[edit['path']]})"
        )
    return 0


SMALLER = "choose a smaller `resolution` or `backbone`"
WHY = {
    "/trainer": "the job has none",
    "/trainer/accumulation": "the images of a step fit into memory a part at a time",
    "/trainer/validations": "validations take at most a tenth of the run",
    "/data/cache": "steps wait for images; a cache has them decoded",
}


def measured(compiled: Compiled, seconds: float, given: dict) -> dict | None:
    """Returns what measure.py prints about the code of a job; None where it did not fit
    into memory. Raises JobError E454."""
    with tempfile.TemporaryDirectory() as folder:
        for path, text in compiled.files.items():
            place = Path(folder, path)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
        words = [str(MEASURE), folder, str(seconds), json.dumps(given)]
        done = subprocess.run(
            [sys.executable, "-B", *words], capture_output=True, text=True
        )
    if done.returncode in OUT_OF_MEMORY:
        return None
    if done.returncode:
        reason, *more = reasons(done)
        help = "`specc data` shows what is wrong with a dataset"
        note = "; ".join(more)
        fail("E454", f"train.py does not train here: {reason}", note=note, help=help)
    return json.loads(done.stdout.splitlines()[-1])


def reasons(done: subprocess.CompletedProcess) -> list[str]:
    """Returns why measure.py failed: the lines with which train.py refused the dataset,
    or else the last of what was said."""
    if done.returncode == REFUSED:
        lines = json.loads(done.stdout.splitlines()[-1]).splitlines()
        return [line.strip() for line in lines if line.strip()]
    said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return said[-1:] or [f"exit code {done.returncode}"]


def halved(job: dict, compiled: Compiled) -> Patch:
    """Returns the edits that halve the images of a pass, and keep those of a step; none
    of one image."""
    trainer, given = compiled.job.trainer, job.get("trainer", {})
    parts = trainer.accumulation or 1
    if trainer.batch_size < 2 * parts:
        return []
    operation = "replace" if "accumulation" in given else "add"
    path = "/trainer/accumulation"
    edit = {"op": operation, "path": path, "value": 2 * parts}
    if "trainer" in job:
        return [edit]
    return [{"op": "add", "path": "/trainer", "value": {}}, edit]


def reckoned(compiled: Compiled, found: dict) -> Run:
    """Returns the run that the measured steps make."""
    trainer = compiled.job.trainer
    images = found["validation_images"]
    share = images / max(1, found["images_validated"])
    validation = found["seconds_judging"] * share + found["seconds_keeping"]
    step = found["seconds_a_step"]
    validations = trainer.validations
    most = 3600 * trainer.max_hours if trainer.max_hours else float("inf")
    steps = trainer.max_iterations or float("inf")
    whole = found["seconds_to_start"] + validations * validation
    limited = whole + steps * step > most
    if limited:
        steps = max(1, int((most - whole) / step))
    return Run(
        iterations=int(steps),
        limited=limited,
        validations=validations,
        batch=trainer.batch_size,
        seconds_a_step=step,
        seconds_waiting=found["seconds_waiting"],
        seconds_a_validation=validation,
        seconds=whole + steps * step,
        validation_images=images,
        peak_memory=found["peak_memory"],
        memory=found["memory"],
        device=found["device"],
    )


def advised(compiled: Compiled, run: Run) -> Patch:
    """Returns edits with which the run spends less time on what is not training."""
    edits = []
    if run.validation_share > VALIDATION_SHARE and run.validations > 1:
        others = run.seconds - run.validations * run.seconds_a_validation
        room = others * VALIDATION_SHARE / (1 - VALIDATION_SHARE)
        fewer = max(1, int(room / run.seconds_a_validation))
        edits.append({"op": "add", "path": "/trainer/validations", "value": fewer})
    if run.seconds_waiting > WAITING_SHARE * run.seconds_a_step:
        if not compiled.job.data.cache:
            edits.append({"op": "add", "path": "/data/cache", "value": "cache"})
    return edits


def told(name: str, run: Run) -> list[str]:
    rate = run.batch / run.seconds_a_step
    ends = ", where `max_hours` ends it" if run.limited else ""
    take = "takes" if run.validations == 1 else "take"
    memory = f" of {gigabytes(run.memory)}" if run.memory else ""
    return [
        f"{name}: {number_of(run.iterations, 'iteration')} on {run.device}{ends}",
        f"  the run       {duration(run.seconds)}",
        f"  a step        {run.seconds_a_step:.3g} s, of which"
        f" {run.seconds_waiting:.2g} s wait for images; {rate:.3g} images/s",
        f"  a validation  {run.seconds_a_validation:.3g} s for"
        f" {number_of(run.validation_images, 'image')}; {run.validations} {take}"
        f" {run.validation_share:.0%} of the run",
        f"  memory        {gigabytes(run.peak_memory)}{memory} at its peak",
    ]


def duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
