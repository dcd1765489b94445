"""`specc sweep`: the jobs of a grid."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from specc.cli import run_cli

TEXT = """{
  "name": "cells",
  "data": {"train": "train", "resolution": [64,64]},
  "model": {
    "heads": [
      {"name": "kind", "task": "multiclass_classification", "categories": ["a", "b"]}
    ]
  },
  "trainer": {"batch_size": 4}
}
"""


@pytest.fixture
def sweep(place, capsys):
    """Runs a sweep of the job: exit code, stdout, stderr."""
    Path("job.json").write_text(TEXT)

    def sweep(*arguments: str) -> tuple[int, str, str]:
        code = run_cli(["sweep", "job.json", *arguments])
        return code, *capsys.readouterr()

    return sweep


def jobs(folder: str = "cells-sweep") -> dict[str, dict]:
    return {x.stem: json.loads(x.read_text()) for x in sorted(Path(folder).iterdir())}


def test_each_combination_is_a_job_that_tells_its_values(sweep):
    rate = "trainer.optimizer.learning_rate=1e-3,0.0003"
    code, out, err = sweep("--set", rate, "--set", "/trainer/batch_size=8,16")
    assert (code, err) == (0, "")
    made = jobs()
    assert {
        name: (
            job["trainer"]["optimizer"]["learning_rate"],
            job["trainer"]["batch_size"],
        )
        for name, job in made.items()
    } == {
        "cells-learning_rate_1e-3-batch_size_8": (0.001, 8),
        "cells-learning_rate_1e-3-batch_size_16": (0.001, 16),
        "cells-learning_rate_3e-4-batch_size_8": (0.0003, 8),
        "cells-learning_rate_3e-4-batch_size_16": (0.0003, 16),
    }
    assert all(job["name"] == name for name, job in made.items())
    assert "4 jobs written, 0 as before" in out
    assert "next: specc build cells-sweep/*.json" in out


def test_what_is_not_set_stays_as_it_is_written(sweep):
    assert sweep("--set", "trainer.batch_size=8")[0] == 0
    text = Path("cells-sweep/cells-batch_size_8.json").read_text()
    expected = TEXT.replace('"cells"', '"cells-batch_size_8"')
    assert text == expected.replace('"batch_size": 4', '"batch_size": 8')


def test_lists_texts_and_heads_by_name(sweep):
    words = ["--set", "data.resolution=[64,64],[32,96]"]
    words += ["--set", "model.backbone.name=resnet18,resnet34"]
    words += ["--set", "model.heads.kind.loss_weight=0.5", "-o", "grid"]
    assert sweep(*words)[0] == 0
    made = jobs("grid")
    assert len(made) == 4
    job = made["cells-resolution_32x96-name_resnet34-loss_weight_5e-1"]
    assert job["data"]["resolution"] == [32, 96]
    assert job["model"]["backbone"] == {"name": "resnet34"}
    assert job["model"]["heads"][0]["loss_weight"] == 0.5


def test_a_head_without_a_name_has_that_of_its_task(sweep):
    """As `specc init` writes heads, and as metrics call them."""
    Path("job.json").write_text(TEXT.replace('"name": "kind", ', ""))
    field = "model.heads.multiclass_classification.loss_weight"
    assert sweep("--set", f"{field}=0.5,2", "-o", "grid")[0] == 0
    weights = [job["model"]["heads"][0]["loss_weight"] for job in jobs("grid").values()]
    assert sorted(weights) == [0.5, 2]


@pytest.mark.slow
def test_the_jobs_build(sweep, capsys):
    assert sweep("--set", "trainer.batch_size=8,16")[0] == 0
    paths = [str(path) for path in sorted(Path("cells-sweep").iterdir())]
    assert run_cli(["build", *paths]) == 0
    text = Path("generated/cells-batch_size_16/data.py").read_text()
    assert "BATCH_SIZE = 16" in text


def test_long_names_have_the_initials_of_fields(sweep):
    fields = [
        "trainer.optimizer.learning_rate=1e-3",
        "trainer.optimizer.weight_decay=0",
    ]
    fields += ["trainer.max_iterations=123456", "trainer.gradient_clipping=10"]
    assert sweep(*(x for field in fields for x in ("--set", field)))[0] == 0
    assert [*jobs()] == ["cells-lr_1e-3-wd_0-mi_123456-gc_10"]


# ---- What is refused ----


def test_what_check_refuses_is_refused_and_nothing_is_written(sweep):
    code, out, err = sweep("--set", "trainer.batch_size=8,frog,toad")
    assert (code, out) == (1, "")
    assert err.count("error[E122]") == 2 and "batch_size_frog.json:" in err
    assert "nothing is written" in err and not Path("cells-sweep").exists()


def test_a_field_that_is_none_is_told_once(sweep):
    code, _, err = sweep("--set", "trainer.batch_sise=8,16")
    assert code == 1 and err.count("error[E120]") == 1
    assert "did you mean `batch_size`?" in err


@pytest.mark.parametrize(
    "words, said",
    [
        (["--set", "trainer.batch_size"], "names no field and values"),
        (["--set", "=8"], "names no field and values"),
        (["--set", "trainer.batch_size="], "names no field and values"),
        (["--set", "model.heads.kin.loss_weight=1"], "nothing at `/model/heads/kin`"),
        (["--set", "name.first=1"], "can hold no value at `/name/first`"),
        (
            ["--set", "trainer.batch_size=8", "--set", "/trainer/batch_size=9"],
            "`/trainer/batch_size` is set more than once",
        ),
        (["--set", "trainer.batch_size=8,8"], "two jobs of the grid would be"),
        (
            ["--set", "trainer.batch_size=" + ",".join(map(str, range(1, 1102)))],
            "a grid of 1,101 jobs; the limit is 1,000",
        ),
    ],
)
def test_a_setting_that_cannot_be_is_told(sweep, words, said):
    code, out, err = sweep(*words)
    assert code == 1 and err.count("error[E449]") == 1
    assert said in err and not Path("cells-sweep").exists()


def test_another_file_is_never_overwritten_silently(sweep):
    words = ["--set", "trainer.batch_size=8,16"]
    assert sweep(*words)[0] == 0
    edited = Path("cells-sweep/cells-batch_size_16.json")
    before = edited.read_text()
    edited.write_text("mine")
    code, _, err = sweep(*words)
    assert code == 1 and f"error[E450]: `{edited}` is there already" in err
    assert edited.read_text() == "mine"
    code, out, _ = sweep(*words, "--force")
    assert code == 0 and "1 job written, 1 as before" in out
    assert edited.read_text() == before


def test_a_job_that_cannot_be_read_or_has_no_name(sweep, capsys):
    assert run_cli(["sweep", "gone.json", "--set", "a=1"]) == 1
    assert "error[E401]" in capsys.readouterr().err
    Path("job.json").write_text("{}")
    code, _, err = sweep("--set", "trainer.batch_size=1")
    assert code == 1 and "error[E121]" in err
