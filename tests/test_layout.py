"""Where things lie: names that cannot leave their folder, and every record file found once, in order."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lem import layout
from lem.errors import LemError

BAD = ["", ".", "..", "../x", "a/b", "/etc", "a\\b", ".hidden", "-x", "_x", "a b", "a\n", "é", "x" * 81]


@pytest.mark.parametrize("name", ["a", "smollm2-135m", "lem-1b.s1", "A_b", "0", "x" * 80])
def test_a_name_is_a_file_name(name):
    assert layout.confined(name, "--model") == name


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_name_is_refused_with_its_place(name):
    with pytest.raises(LemError) as caught:
        layout.confined(name, "--model")
    assert caught.value.message.startswith(f"--model {name!r}: ")


@given(st.text(max_size=6) | st.lists(st.sampled_from(["..", ".", "a", "/", "\\"]), max_size=6).map("".join))
def test_no_name_leads_out_of_its_folder(name):
    try:
        layout.confined(name, "name")
    except LemError:
        return
    folder = Path("/study/data/models")
    assert (folder / name).resolve().parent == folder
    assert not name.startswith(".")


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def found(table: str, data: Path) -> list[str]:
    return [path.relative_to(data).as_posix() for path in layout.files(table, data)]


def test_own_and_imported_files_are_found_sorted(tmp_path):
    wanted = [
        "answers/gsm8k/m.jsonl",
        "baseline/m/validation-naked.jsonl",
        "fine-tuned/m-lek/validation-naked.jsonl",
        "imported/a/answers/q/m.jsonl",
        "imported/b/baseline/m/q-naked.jsonl",
    ]
    touch(tmp_path, *reversed(wanted), "baseline/m/model.json", "scores/gsm8k/m.jsonl", "logs/m.json")
    assert found("responses", tmp_path) == wanted
    assert found("scores", tmp_path) == ["scores/gsm8k/m.jsonl"]
    assert found("models", tmp_path) == ["baseline/m/model.json"]
    assert found("runs", tmp_path) == ["logs/m.json"]
    assert found("items", tmp_path) == []


def test_dot_folders_and_dot_files_are_nobodys_records(tmp_path):
    touch(
        tmp_path,
        "imported/.lem-1b.123/scores/q/m.jsonl",
        "imported/lem-1b/scores/q/.m.jsonl",
        "scores/.ipynb_checkpoints/m.jsonl",
        "scores/q/.m.jsonl",
        "scores/q/m.jsonl",
    )
    assert found("scores", tmp_path) == ["scores/q/m.jsonl"]


def test_a_study_may_itself_lie_below_a_dot_folder(tmp_path):
    touch(tmp_path / ".cache" / "data", "scores/q/m.jsonl")
    assert found("scores", tmp_path / ".cache" / "data") == ["scores/q/m.jsonl"]


def test_raw_files_of_a_dump_are_not_records(tmp_path):
    touch(tmp_path, "imported/a/raw/scores/q/m.jsonl", "imported/a/raw/m.jsonl")
    assert not any(found(table, tmp_path) for table in layout.GLOBS)


def test_judgements_are_scores_and_nothing_else(tmp_path):
    wanted = [
        "imported/a/judged/q/m.jsonl",
        "judged/q/m.jsonl",
        "scores/q/m.jsonl",
    ]
    unread = [
        *("judged/q/m.json", "judged/.gitkeep", "judged/.x/m.jsonl", "imported/a/raw/judged/q/m.jsonl"),
    ]
    touch(tmp_path, *wanted, *unread)
    assert found("scores", tmp_path) == wanted
    assert not any(layout.files(table, tmp_path) for table in layout.GLOBS if table != "scores")


@pytest.mark.parametrize(
    ("table", "path"),
    [
        ("responses", layout.responses("baseline", "m", "validation", "naked")),
        ("responses", layout.responses("fine-tuned", "m", "validation", "kernel-only")),
        ("responses", layout.answers("gsm8k", "m")),
        ("scores", layout.scores("gsm8k", "m")),
        ("scores", layout.judged("gsm8k", "m")),
        ("runs", layout.log("m", "validation", "naked", "json")),
        ("models", layout.model_record("fine-tuned", "m")),
        ("items", layout.items("gsm8k")),
    ],
)
def test_what_a_stage_writes_its_table_finds(table, path, tmp_path):
    own = tmp_path / path.relative_to(layout.DATA)
    imported = tmp_path / layout.imported("a").relative_to(layout.DATA) / path.relative_to(layout.DATA)
    for file in (own, imported):
        touch(file.parent, file.name)
    assert sorted(layout.files(table, tmp_path)) == sorted([own, imported])
    assert not any(layout.files(other, tmp_path) for other in layout.GLOBS if other != table)
