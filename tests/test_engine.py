"""engine.yaml: the repository's own is what is installed; a stage refuses to run on anything else."""

from pathlib import Path

import pytest
import yaml

from lem import doctor, engine
from lem.errors import LemError

ROOT = Path(__file__).parents[1]


@pytest.fixture
def pins(tmp_path, monkeypatch):
    """Stand beside a fresh engine.yaml; `pins(change)` rewrites it after a change of its tree."""
    monkeypatch.chdir(tmp_path)
    doctor.write_pin()

    def rewrite(change) -> None:
        tree = yaml.safe_load(engine.FILE.read_text())
        change(tree)
        engine.FILE.write_text(yaml.safe_dump(tree))

    return rewrite


def test_the_repositorys_own_pins_are_what_is_installed_and_coded(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert engine.differences() == []
    pinned = engine.pinned()
    assert pinned["recipes"] == engine.RECIPES
    assert pinned["libraries"].keys() == engine.installed()["libraries"].keys()


def test_every_stage_has_a_recipe_and_its_libraries():
    assert engine.RECIPES.keys() == engine.SHAPED_BY.keys()
    assert all(isinstance(recipe, int) and recipe >= 1 for recipe in engine.RECIPES.values())


def test_every_stage_runs_on_what_was_pinned_here(pins):
    for stage in engine.RECIPES:
        engine.require(stage)


def refusal(stage: str) -> str:
    with pytest.raises(LemError) as caught:
        engine.require(stage)
    assert "\n" not in caught.value.message
    return caught.value.message


def test_another_version_refuses_the_stages_it_shapes_and_no_other(pins):
    pins(lambda tree: tree["libraries"].update({"duckdb": "1.4.0"}))
    installed = engine.installed()["libraries"]["duckdb"]
    for stage, shaped_by in engine.SHAPED_BY.items():
        if "duckdb" in shaped_by:
            assert f"duckdb: engine.yaml says 1.4.0, installed is {installed}" in refusal(stage)
            assert "lem doctor --pin" in refusal(stage)
        else:
            engine.require(stage)


def test_another_recipe_refuses_its_stage_and_no_other(pins):
    pins(lambda tree: tree["recipes"].update({"score": 0}))
    now = engine.RECIPES["score"]
    assert f"recipe of score: engine.yaml says 0, the code says {now}" in refusal("score")
    engine.require("generate")


def test_every_difference_of_a_stage_is_in_its_one_line(pins):
    pins(lambda tree: (tree["libraries"].update(mlx="0"), tree["recipes"].update(convert=99)))
    assert "mlx: engine.yaml says 0" in refusal("convert") and "says 99" in refusal("convert")
    assert len(engine.differences()) == 2


def test_a_library_that_is_not_pinned_or_not_installed_differs(pins, monkeypatch):
    monkeypatch.setitem(engine.SHAPED_BY, "items", ("no-such-library",))
    assert engine.installed()["libraries"]["no-such-library"] is None
    assert "no-such-library: engine.yaml says None" in refusal("items")
    pins(lambda tree: tree["libraries"].update({"no-such-library": "1.0"}))
    assert "no-such-library: engine.yaml says 1.0, installed is None" in refusal("items")


def test_mkl_is_asked_for_only_where_it_is_made_for(pins, monkeypatch):
    pins(lambda tree: tree["libraries"].update(mkl="1.0"))
    monkeypatch.setattr(engine.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(engine.sys, "platform", "linux")
    assert "mkl: engine.yaml says 1.0" in refusal("generate")
    monkeypatch.setattr(engine.platform, "machine", lambda: "arm64")
    engine.require("generate")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a: b: c", "not YAML"),
        (b"a: \xff", "not YAML"),
        (b"", "expected 'libraries' and 'recipes'"),
        (b"[libraries, recipes]", "expected 'libraries' and 'recipes'"),
        (b"libraries: {}", "expected 'libraries' and 'recipes'"),
        (b"libraries:\nrecipes:\n", "expected 'libraries' and 'recipes'"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, monkeypatch, content, says):
    monkeypatch.chdir(tmp_path)
    engine.FILE.write_bytes(content)
    assert refusal("score").startswith(f"engine.yaml: {says}")


def test_a_missing_file_says_how_to_write_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert (
        refusal("score") == "engine.yaml: no such file; write it with: lem doctor --pin (beside params.yaml)"
    )


def test_an_engine_is_described_in_one_line():
    assert engine.describe("score") == f"recipe {engine.RECIPES['score']}"
    libraries = engine.installed()["libraries"]
    assert f"mlx {libraries['mlx']}, mlx-lm {libraries['mlx-lm']}, " in engine.describe("generate")
    assert engine.describe("generate").endswith(f"recipe {engine.RECIPES['generate']}")
