"""`lem doctor`: says what differs and writes the pins, keeping those of other machines."""

import pytest
import yaml

from lem import engine

OTHER = "made-for-another-machine"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def libraries() -> dict[str, str]:
    return yaml.safe_load(engine.FILE.read_text())["libraries"]


def test_it_writes_what_is_installed_and_then_finds_no_difference(lem):
    assert "no such file; write it with: lem doctor --pin" in lem("doctor", code=1).output
    assert lem("doctor", "--pin").output == lem("doctor").output == "engine.yaml: as installed\n"
    assert yaml.safe_load(engine.FILE.read_text()) == engine.installed()


def test_it_names_each_difference_on_a_line_and_changes_nothing(lem):
    lem("doctor", "--pin")
    old = engine.FILE.read_text().replace(f"mlx: {libraries()['mlx']}", "mlx: 0.1").replace(": 1\n", ": 7\n")
    engine.FILE.write_text(old)
    said = lem("doctor", code=1).output
    assert "mlx: engine.yaml says 0.1, installed is" in said
    assert said.count("engine.yaml says 7") == list(engine.RECIPES.values()).count(1)
    assert said.rstrip().endswith("accept what is installed with: lem doctor --pin")
    assert engine.FILE.read_text() == old


def test_a_pin_that_is_not_installed_here_is_kept(lem, monkeypatch):
    monkeypatch.setitem(engine.SHAPED_BY, "items", (OTHER,))
    engine.FILE.write_text(yaml.safe_dump({"libraries": {OTHER: "9.1", "mlx": "0.1"}, "recipes": {}}))
    assert f"{OTHER}: engine.yaml says 9.1, installed is None" in lem("doctor", "--pin", code=1).output
    assert libraries()[OTHER] == "9.1"
    assert libraries()["mlx"] == engine.installed()["libraries"]["mlx"]


def test_a_library_that_no_stage_is_shaped_by_any_more_is_dropped(lem):
    engine.FILE.write_text(yaml.safe_dump({"libraries": {"left-pad": "1.0"}, "recipes": {"old": 3}}))
    lem("doctor", "--pin")
    assert yaml.safe_load(engine.FILE.read_text()) == engine.installed()


def test_versions_stay_texts(lem, monkeypatch):
    monkeypatch.setitem(engine.SHAPED_BY, "items", (OTHER,))
    monkeypatch.setattr(engine, "version", lambda name: "1.10")
    lem("doctor", "--pin")
    assert libraries()[OTHER] == "1.10"


def test_a_damaged_file_is_not_written_over(lem):
    engine.FILE.write_text("<<<<<<< ours\nlibraries: {}\n")
    assert "engine.yaml: not YAML" in lem("doctor", "--pin", code=1).output
    assert engine.FILE.read_text().startswith("<<<<<<< ours")
