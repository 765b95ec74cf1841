"""A negative control on the real model: one tensor rolled by a row, told apart where metrics agree."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import micro
from lem import doctor
from test_real_model import folder  # noqa: F401 (a fixture)

pytestmark = pytest.mark.slow
TENSOR = "model.layers.29.self_attn.v_proj.weight"
TASKS = ("arc_like", "piqa_like")
PARAMS = """\
models:
  baseline:
    sound: {from: "mlx:%s", dtype: float32}
    rolled: {from: "mlx:rolled", dtype: float32}
tasks:
  arc_like: {chat_template: false, limit: 20}
  piqa_like: {chat_template: false, limit: 20}
"""


@pytest.fixture
def control(folder, tmp_path, monkeypatch):  # noqa: F811
    """A study of the real model and of the same weights with one tensor rolled by a row."""
    monkeypatch.chdir(tmp_path)
    rolled = Path("rolled")
    shutil.copytree(folder, rolled, ignore=shutil.ignore_patterns("*.safetensors"))
    tensors = load_file(folder / "model.safetensors")
    tensors[TENSOR] = np.roll(tensors[TENSOR], 1, axis=0)
    save_file(tensors, rolled / "model.safetensors", {"format": "mlx"})
    Path("params.yaml").write_text(PARAMS % folder)
    shutil.copytree(micro.REPOSITORY / "seeds/tasks", "seeds/tasks")
    Path("seeds/benchmarks").mkdir()
    doctor.write_pin()
    return tmp_path


def test_a_control_is_told_apart_by_its_samples_where_metrics_agree(control, lem):
    for model in ("sound", "rolled"):
        lem("convert", "--model", model)
    for task in TASKS:
        lem("task", "--task", task)
        for model in ("sound", "rolled"):
            lem("lm-eval", "--model", model, "--task", task)
    lem("warehouse")
    shown = lem("compare", "rolled", "sound").output
    assert all(f"| {task} (limited, n = 20) | acc |" in shown for task in TASKS)
    rows = json.loads(lem("compare", "rolled", "sound", "--format", "json").stdout)
    assert {row["limited"] for row in rows} == {True}
    agree = [row for row in rows if row["difference"] == 0]
    assert agree, "of four metrics none agrees: this control shows nothing about equal metrics"
    assert {row["verdict"] for row in rows} <= {"inconclusive", "worse"}
    for row in rows:
        assert (row["same"], row["answers"]) == (0, {"arc_like": 80, "piqa_like": 40}[row["prompts"]])
        assert row["largest"] > 0.1
    assert shown.count("0 of ") == len(TASKS)


def test_the_same_weights_under_another_name_are_equal_to_the_last_bit(control, lem):
    params = Path("params.yaml").read_text()
    Path("params.yaml").write_text(params.replace("mlx:rolled", "mlx:copy"))
    sound = params.split("mlx:")[1].split('"')[0]
    shutil.copytree(sound, "copy")
    Path("params.yaml").write_text(Path("params.yaml").read_text().replace("rolled:", "copy:"))
    lem("task", "--task", "arc_like")
    for model in ("sound", "copy"):
        lem("convert", "--model", model)
        lem("lm-eval", "--model", model, "--task", "arc_like")
    lem("warehouse")
    assert "all 80 log-probabilities are equal to the last bit" in lem("compare", "copy", "sound").output
