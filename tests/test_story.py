"""The life of a folder in a repository: an earlier specc emitted it, people edited it and
trained it, and this specc builds it anew for another job.

`tests/earlier` holds what earlier commits of this repository emitted, by their names.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from contracts import contract
from emitted_jobs import load
from review import commit, git
from runs import checkpoint, one_core, rows, train, warm

from specc.cli import run_cli
from specc.shapes.scene import CATEGORIES

EARLIER = Path(__file__).parent / "earlier"
COMMITS = sorted(path.name for path in EARLIER.iterdir() if path.is_dir())
DATA = os.environ.get("SPECC_TEST_DATA")
LONGEST = 1800  # seconds of a training, on a machine that does much else

RATE = "    return LEARNING_RATE * (end + (1 - end) * (1 + math.cos(math.pi * distance)) / 2)\n"
TRUNK = "        return self.head(*self.neck(*self.backbone(images)))\n"
EDITS = {  # file -> lines that people changed, and what they made of them
    "train.py": {
        "def learning_rate(": "LOWEST_RATE = 1e-5  # ours\n\n\ndef learning_rate(",
        RATE: RATE.replace("return", "rate =") + "    return max(rate, LOWEST_RATE)\n",
        "SAVE_EVERY = 180": "SAVE_EVERY = 60",
    },
    "model.py": {
        TRUNK: TRUNK
        + '\n    def maps(self, images: Tensor) -> tuple[Tensor, ...]:\n        """Ours."""\n'
        + "        images = (images - self.mean) / self.std\n"
        + "        return self.neck(*self.backbone(images))\n"
    },
}
MOON = [
    *CATEGORIES[:2],
    "moon",
    *CATEGORIES[2:],
]  # a name in the middle: all others move


def edit(folder: Path) -> None:
    for name, changes in EDITS.items():
        text = (folder / name).read_text("utf-8")
        for old, new in changes.items():
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        (folder / name).write_text(text, "utf-8")


def other_job(job: dict, weights: Path) -> dict:
    """Another neck level, learning rate and category; it starts from `weights`."""
    job = copy.deepcopy(job)
    job["model"]["neck"]["top_level"] = 6
    job["model"]["heads"][0]["categories"] = MOON
    job["trainer"]["optimizer"]["learning_rate"] = 0.0005
    job["trainer"]["initialization"] = {"kind": "checkpoint", "weights": str(weights)}
    return job


def resolve(folder: Path) -> int:
    """Takes the user's side of each conflict, as an editor would; the number of them."""
    count = 0
    for path in folder.glob("*.py"):
        kept, side = [], ""
        for line in path.read_text("utf-8").splitlines(keepends=True):
            if line.startswith(("<<<<<<< ", "||||||| ", ">>>>>>> ")):
                count += line.startswith("<")
                side = "" if line.startswith(">") else line[0]
            elif side == "" or side == "<":
                kept.append(line)
        path.write_text("".join(kept), "utf-8")
    return count


def precisions(capsys, folder: Path, weights: Path, root: Path) -> dict[str, float]:
    """AP by category, as `specc score` says it."""
    flags = ["--weights", str(weights), "--data", str(root), "--workers", "0"]
    capsys.readouterr()
    assert run_cli(["score", str(folder), *flags, "--format", "json"]) == 0
    (table,) = json.loads(capsys.readouterr().out).values()
    return {name: row["ap"] for name, row in table["categories"].items()}


def train_as_emitted(folder: Path, root: Path, output: Path, iterations: int) -> None:
    """Runs a train.py that may lack the flags of today's, on one thread."""
    knows = "--threads" in (folder / "evaluate.py").read_text("utf-8")
    flags = ["--data", root, "--output", output, "--workers", 0]
    flags += ["--threads", 1] if knows else []
    words = [folder / "train.py", *flags, "--max-iterations", iterations]
    done = warm().run([*map(str, words)], root, one_core(), LONGEST)
    assert done.returncode == 0, done.stderr[-3000:]


def logits(folder: Path, weights: Path) -> torch.Tensor:
    """Returns logits (B, N, categories) of a folder's model for noise images."""
    model = load(folder / "model.py").Detector().eval()
    model.load_state_dict(checkpoint(weights)["model"])
    torch.manual_seed(0)
    images = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8)
    with torch.no_grad():
        return model(images).logits


@pytest.mark.parametrize(
    "name, runs_contract",
    [
        pytest.param(COMMITS[-1], False, marks=pytest.mark.slow),
        *(pytest.param(name, False, marks=pytest.mark.soak) for name in COMMITS[:-1]),
        *(pytest.param(name, True, marks=pytest.mark.soak) for name in COMMITS),
    ],
)
def test_a_folder_outlives_its_job_and_its_specc(
    name, runs_contract, world, tmp_path, capsys
):
    repository, folder = tmp_path / "vision", tmp_path / "vision/detector"
    shutil.copytree(EARLIER / name, repository)
    path, weights, start = folder / "job.json", tmp_path / "best.pt", tmp_path / "s.pt"
    git(repository, "init", "--quiet")
    commit(repository, "The detector, as specc wrote it")
    edit(folder)
    edited = commit(repository, "Our edits")
    train_as_emitted(folder, world, tmp_path / "run", 8)
    shutil.copy(tmp_path / "run/best.pt", weights)
    before = logits(folder, weights)

    path.write_text(json.dumps(other_job(json.loads(path.read_bytes()), start)))
    code = run_cli(["build", "--tests", str(path)])
    said = capsys.readouterr().err
    conflicts = resolve(folder)
    assert (code, said.count("conflict: ")) == (int(conflicts > 0), conflicts)
    assert run_cli(["build", "--check", str(path)]) == 0
    assert run_cli(["build", "--check", "--strict", str(path)]) == 1
    assert_merged(folder)
    commit(repository, "Another level, rate and category; a newer specc")
    assert git(repository, "status", "--porcelain") == ""
    assert "moon" in git(
        repository, "diff", f"{edited}..HEAD", "--", "detector/model.py"
    )

    if runs_contract:
        code, said = contract(folder)
        assert code == 0 and "8 passed" in said, said
    assert run_cli(["migrate", str(weights), str(path), "-o", str(start)]) == 0
    after = logits(folder, start)[:, : before.shape[1]]  # level 6 comes last
    kept = [MOON.index(category) for category in CATEGORIES]
    assert torch.allclose(after[..., kept], before, atol=1e-6)
    assert not torch.allclose(after[..., :4], before, atol=1e-2)
    done = train(folder, tmp_path / "new", "--max-iterations", 8, "--data", world)
    count = len(checkpoint(start)["model"])
    assert f"loaded {count} of {count} tensors" in done.stdout
    assert rows(tmp_path / "new")[-1]["split"] == "validation"


def assert_merged(folder: Path) -> None:
    """Both sides stand in the files: what people wrote, and what the job says now."""
    train, model = ((folder / f"{x}.py").read_text("utf-8") for x in ("train", "model"))
    assert "LOWEST_RATE = 1e-5  # ours" in train and "SAVE_EVERY = 60" in train
    assert "    return max(rate, LOWEST_RATE)" in train
    assert "LEARNING_RATE = 0.0005" in train and "def maps(self" in model
    assert "moon" in model and "STRIDES = (8, 16, 32, 64)" in model


# ---- Real images ----

WEIGHTS = "mobilenetv2_035_imagenet_timm.pth"
BLOOD = {
    "version": 1,
    "name": "blood",
    "data": {"train": "bccd/train", "validation": "bccd/val", "resolution": [128, 160]},
    "model": {
        "backbone": {"name": "mobilenetv2_035"},
        "neck": {"kind": "fpn", "bottom_level": 3, "top_level": 5, "channels": 64},
        "heads": [
            {
                "name": "cells",
                "task": "object_detection",
                "categories": ["Platelets", "RBC", "WBC"],
            }
        ],
    },
    "trainer": {
        "max_iterations": 150,
        "validations": 1,
        "batch_size": 8,
        "gradient_clipping": 10,
        "optimizer": {"kind": "adamw", "learning_rate": 0.002},
    },
}


@pytest.mark.soak
@pytest.mark.skipif(not DATA, reason="SPECC_TEST_DATA names no folder of images")
def test_real_cells_that_stay_are_found_as_before(tmp_path, capsys):
    """The first category is dropped, and the last has a new name: all indices move."""
    job = copy.deepcopy(BLOOD)
    imagenet = {"kind": "imagenet", "weights": str(Path(DATA, WEIGHTS).absolute())}
    job["trainer"]["initialization"] = imagenet
    old, new = tmp_path / "old", tmp_path / "new"
    built(job, old)
    train_as_emitted(old, Path(DATA), tmp_path / "run", 150)
    weights, start = tmp_path / "run/best.pt", tmp_path / "start.pt"
    before = precisions(capsys, old, weights, Path(DATA))

    (head,) = job["model"]["heads"]
    head |= {"categories": ["RBC", "leukocyte"], "merge": {"leukocyte": ["WBC"]}}
    job["trainer"] |= {
        "initialization": {"kind": "checkpoint", "weights": str(start)},
        "optimizer": {"kind": "adamw", "learning_rate": 0.0003},
    }
    built(job, new)
    call = ["migrate", str(weights), str(new), "-o", str(start)]
    assert run_cli([*call, "--rename", "WBC=leukocyte"]) == 0
    after = precisions(capsys, new, start, Path(DATA))
    train_as_emitted(new, Path(DATA), tmp_path / "more", 40)
    later = precisions(capsys, new, tmp_path / "more/best.pt", Path(DATA))
    with capsys.disabled():
        print(f"\nAP of bccd: {before}, migrated {after}, trained on {later}")
    pairs = [("RBC", "RBC"), ("WBC", "leukocyte")]
    for a, b in pairs:
        assert before[a] > 0.1
        assert after[b] == pytest.approx(before[a], abs=0.005)
        assert later[b] > before[a] - 0.05


def built(job: dict, folder: Path) -> None:
    folder.mkdir()
    (folder / "job.json").write_text(json.dumps(job))
    assert run_cli(["build", "-o", str(folder), str(folder / "job.json")]) == 0
