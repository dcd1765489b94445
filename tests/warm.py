"""A Python that has imported what emitted scripts import, and forks to become one.

To import torch and its optimizers takes longer than the work of most of the scripts that
tests run. As a program this file reads requests, a line of JSON each, and answers with
exit codes. The process of a script is one of its own, with its own streams, folder,
environment and exit; only the libraries are there already.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from unittest.mock import Mock

LIBRARIES = (
    *("torch", "torch._dynamo", "torch.utils.tensorboard", "matplotlib.figure"),
    *("matplotlib.backends.backend_agg", "cv2", "PIL.Image", "tqdm", "yaml"),
    *("faster_coco_eval", "defusedxml.ElementTree"),
)


class Warm:
    """The side of the tests. It ends with their process, as its input ends."""

    def __init__(self, environment: dict[str, str]):
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,  # to end with its children
            text=True,
        )
        atexit.register(self._process.communicate)  # ends with its input

    def run(
        self,
        words: list[str],
        cwd: Path,
        env: dict[str, str],
        timeout: float,
        curves=False,
        processes=0,
    ) -> subprocess.CompletedProcess:
        """As `subprocess.run` with captured text; `words` are a script and its arguments.
        Without `curves` Matplotlib saves empty files, and TensorBoard has no pictures.
        `processes` that are more than none are a group, as torchrun starts one. Raises
        TimeoutExpired."""
        with tempfile.TemporaryDirectory() as folder:
            streams = [f"{folder}/stdout", f"{folder}/stderr"]
            request = {"words": words, "cwd": str(cwd), "env": env, "streams": streams}
            request |= {"curves": curves, "processes": processes}
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            if not select.select([self._process.stdout], [], [], timeout)[0]:
                self.end()
                raise subprocess.TimeoutExpired(words, timeout)
            code = int(self._process.stdout.readline())
            texts = [Path(stream).read_text("utf-8") for stream in streams]
        return subprocess.CompletedProcess(words, code, *texts)

    def end(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None


def serve() -> None:
    for name in LIBRARIES:
        importlib.import_module(name)
    gc.freeze()  # no fork has to look through the libraries
    for line in iter(sys.stdin.readline, ""):
        request = json.loads(line)
        children = []
        for member in members(request.pop("processes")):
            child = os.fork()
            if not child:
                become(**request | {"env": request["env"] | member})
                return
            children.append(child)
        codes = [os.waitstatus_to_exitcode(os.waitpid(x, 0)[1]) for x in children]
        print(next(filter(None, codes), 0), flush=True)


def members(processes: int) -> list[dict[str, str]]:
    """Returns the environment variables that torchrun sets for each process."""
    if not processes:
        return [{}]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    shared |= {"WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes)}
    ranks = map(str, range(processes))
    return [shared | {"RANK": rank, "LOCAL_RANK": rank} for rank in ranks]


def become(
    words: list[str], cwd: str, env: dict[str, str], streams: list[str], curves: bool
) -> None:
    """Run the script as the main module of this process."""
    if not curves:
        leave_out_drawings()
    paths = (os.devnull, *streams)
    for number, flags in enumerate(
        (os.O_RDONLY, *(os.O_CREAT | os.O_WRONLY | os.O_APPEND,) * 2)
    ):
        file = os.open(paths[number], flags)
        os.dup2(file, number)
        os.close(file)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = words
    sys.path[0] = str(Path(words[0]).parent)
    try:
        runpy.run_path(words[0], run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code
    leave(code)


def leave_out_drawings() -> None:
    """Curves, which take longer than a small model's iterations, and the copies of
    pictures that TensorBoard has."""
    from matplotlib.figure import Figure
    from torch.utils.tensorboard import SummaryWriter

    Figure.subplots = lambda figure, rows, columns: [Mock() for _ in range(columns)]
    Figure.savefig = lambda figure, path, **options: Path(path).touch()
    SummaryWriter.add_image = lambda *given, **named: None


def leave(code: object) -> None:
    """Exit as Python does, but for the libraries: to take them down takes longer than
    to say what is wrong with a flag."""
    if isinstance(code, str):
        print(code, file=sys.stderr)
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else bool(code))


if __name__ == "__main__":
    serve()
