"""`lem ingest study`: another study's own records, under another source and nothing else changed."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lem import layout, rules
from lem.cli import main
from lem.ingest import lines
from lem.ingest import study as kind
from lem.record_files import (
    dumps,
    read_json,
    read_jsonl,
    sha256,
)
from lem.records import (
    OWN,
    Distilled,
    Item,
    Loss,
    Model,
    Quarantined,
    Record,
    Response,
    Run,
    Score,
    fields,
)
from lem.scan import DOCUMENTS
from lem.shapes import misfit

TABLES = set(layout.GLOBS) - set(layout.OF_IMPORTS)  # those that a study's own stages write
NAME = "theirs"
OUT = Path("data/imported") / NAME
SHA = "0" * 64
LOSSES = [Loss("tuned-s0", n, "train", 2.5 / n, 1e-4, 100 * n, 0.5 * n) for n in (1, 2, 3)]
LOSSES += [Loss("tuned-s0", 3, "valid", 1.25)]
DROPPED = Distilled("lessons", "P41", 0, None, "loop", 40, 0)
DISTILLED = [Distilled("lessons", "P42", 0, "train", None, 30, 28), DROPPED]
CARD = Model("tuned-s0", role="fine-tuned", base="micro", entry="tuned", seed=0, adapter_sha=SHA)


def jsonl(*records: Record) -> bytes:
    return "".join(dumps(record) + "\n" for record in records).encode()


def document(record: Record) -> bytes:
    return (json.dumps(dataclasses.asdict(record), indent=2, ensure_ascii=False) + "\n").encode()


def response(n: int, **more: object) -> Response:
    told = {"seed_id": f"Q{n}", "prompt": "2 + 2?", "response": "½ of 8", "gen_time": 0.5, "chars": 6}
    run = {"mode": "naked", "model": "m", "prompts": "sums", "prompt_sha": SHA, "run_id": "ab" * 8}
    return Response(**{**told, **run, **more})


def tiny() -> dict[str, bytes]:
    """A study with one small file of every table, an import of its own, and what is no record."""
    run = Run(**{**dict.fromkeys(fields(Run)), "run_id": "ab" * 8, "source": OWN, "model": "m"})
    run = dataclasses.replace(run, prompts="sums", mode="naked", responses=3)
    score = Score("ab" * 8, "m", "sums", "Q1", "exact_match", 1.0, filter="strict", extracted="4")
    unscored = dataclasses.replace(score, item_id="Q2", value=None, error="no number in it")
    theirs = Item("old", "O1", "?", None, SHA, source="somebody")
    return {
        "params.yaml": b"models: {}\n",
        "engine.yaml": b"libraries: {}\n",
        "seeds/P01.json": b"[]",
        "data/answers/sums/m.jsonl": jsonl(*(response(n) for n in (1, 2, 3))),
        "data/baseline/m/format-naked.jsonl": jsonl(response(1, prompts="format")),
        "data/baseline/m/model.json": document(Model("m", weights_sha=SHA)),
        "data/fine-tuned/tuned/s0.json": document(CARD),
        "data/fine-tuned/tuned-s0/format-naked.jsonl": jsonl(response(1, prompts="format", model="tuned-s0")),
        "data/items/sums.jsonl": jsonl(*(Item("sums", f"Q{n}", "2 + 2?", "4", SHA) for n in (1, 2, 3))),
        "data/logs/m-sums-naked.json": document(run),
        "data/logs/m-sums-naked.log": b"[1/3] Q1\n",
        "data/logs/tuned-train/s0.jsonl": jsonl(*LOSSES),
        "data/distilled/lessons/answers.jsonl": jsonl(*DISTILLED),
        "data/scores/sums/m.jsonl": jsonl(score, unscored),
        "data/models/m/model.safetensors": b"\0" * 64,
        "data/imported/somebody/items/old.jsonl": jsonl(theirs, dataclasses.replace(theirs, item_id="O2")),
        "data/imported/somebody/quarantine.jsonl": b"",
    }


RECORDS = sorted(file for file in tiny() if file.startswith("data/") and kind.table_of(file))
ROWS = {file: 1 if file.endswith(".json") else tiny()[file].count(b"\n") for file in RECORDS}


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def ingest(folder: Path | str, *options: str, name: str = NAME) -> Result:
    """Run the command; only LemError (one line, exit 1) and usage errors may stop it."""
    result = CliRunner().invoke(main, ["ingest", "study", str(folder), "--as", name, *options])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    assert "Traceback" not in result.output
    return result


def rows_of(output: str) -> dict[str, tuple[int, int, int]]:
    """{file: (rows, imported, quarantined)} of the printed table."""
    table = [line.split() for line in output.splitlines() if line.split()[0] in {*layout.GLOBS, "files"}]
    return {row[1]: (int(row[2]), int(row[3]), int(row[4])) for row in table}


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def read(path: Path, table: str) -> list[Record]:
    cls = rules.RECORDS[table]
    return [read_json(path, cls)] if table in DOCUMENTS else list(read_jsonl(path, cls))


def imported(top: Path = OUT) -> dict[str, list[Record]]:
    """The imported records by the file they were in, read from the disk."""
    tables = {path: table for table in TABLES for glob in layout.GLOBS[table] for path in top.glob(glob)}
    return {f"data/{path.relative_to(top).as_posix()}": read(path, table) for path, table in tables.items()}


def quarantine() -> list[Quarantined]:
    return list(read_jsonl(OUT / "quarantine.jsonl", Quarantined))


def manifest(file: Path) -> dict[str, str]:
    return dict(reversed(line.split("  ", 1)) for line in file.read_text().splitlines())


def original(file: str, records: list[Record]) -> bytes:
    """The bytes that lem wrote in the other study, from what was imported of them."""
    own = [dataclasses.replace(record, source=OWN) for record in records]
    return document(*own) if file.endswith(".json") else jsonl(*own)


@pytest.fixture(autouse=True)
def _no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # nothing here has to outlive a power cut


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working study."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.fixture
def folder(tmp_path: Path, here: Path) -> Path:
    return write(tmp_path / "other", tiny())


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, make_study) -> Path:
    """A study of the micro model that has asked and scored it; shared, so nobody writes there."""
    folder = make_study(tmp_path_factory.mktemp("asked") / "other")
    words = [
        "convert --model micro",
        "items --benchmark sums",
        "generate --model micro --prompts format --mode naked",
        "generate --model micro --prompts format --mode sandwich",
        "generate --model micro --prompts sums",
        "score --model micro --benchmark sums",
    ]
    with contextlib.chdir(folder):
        for command in words:
            result = CliRunner().invoke(main, command.split())
            assert result.exit_code == 0, result.output
    by_hand = ("fine-tuned/tuned/s0.json", "logs/tuned-train/s0.jsonl", "distilled/lessons/answers.jsonl")
    return write(folder, {f"data/{file}": tiny()[f"data/{file}"] for file in by_hand})


def test_every_table_of_the_layout_has_a_record_class() -> None:
    assert set(rules.RECORDS) == set(layout.GLOBS) <= set(rules.KEYS)
    assert {kind.table_of(file) for file in RECORDS} == TABLES


def test_what_only_imports_have_is_none_of_a_studys_own_records(folder: Path) -> None:
    sound = jsonl(Quarantined(OWN, "a.jsonl", 1, "blank line", ""))
    files = ("data/figures/a.jsonl", "data/logs/a.jsonl", "data/notes.jsonl", "data/quarantine.jsonl")
    write(folder, dict.fromkeys(files, sound))
    output = ingest(folder).output
    assert not set(files) & set(rows_of(output)) and (OUT / "quarantine.jsonl").read_bytes() == b""
    assert {kind.table_of(file) for file in files} == {None}


def test_a_real_study_comes_in_and_passes_check_and_warehouse(asked: Path, study: Path, lem) -> None:
    output = ingest(asked).output
    assert f"{OUT}: study, written" in output and (OUT / "quarantine.jsonl").read_bytes() == b""
    assert not any(bad for _, _, bad in rows_of(output).values())
    for folder, source in ((asked / "data", OWN), (OUT, NAME)):
        found = imported(folder)
        counts = Counter(type(record) for records in found.values() for record in records)
        assert counts == {Response: 18, Score: 30, Item: 10, Run: 3, Model: 2, Loss: 4, Distilled: 2}
        assert {record.source for records in found.values() for record in records} == {source}
    assert imported(asked / "data") == {
        file: [dataclasses.replace(record, source=OWN) for record in records]
        for file, records in imported().items()
    }
    lem("check")
    lem("warehouse")
    for table, rows in (("responses", 18), ("runs", 3), ("items", 10), ("scores", 156), ("models", 2)):
        counted = lem("sql", "--format", "json", f"select source, count(*) as n from {table} group by all")
        assert json.loads(counted.output) == [{"source": NAME, "n": rows}], table
    means = "select model, n from summary where source = 'theirs' and metric = 'exact_match' group by all"
    assert json.loads(lem("sql", "--format", "json", means).output) == [{"model": "micro", "n": 10}]


def test_two_scales_lie_side_by_side(asked: Path, study: Path, lem) -> None:
    shutil.copytree(asked / "data", "data", dirs_exist_ok=True, ignore=lambda *_: {"models"})
    ingest(asked)
    lem("check")
    lem("warehouse")
    sides = (
        "select source, n, value from summary where metric = 'exact_match' and filter = 'strict' order by 1"
    )
    own, theirs = json.loads(lem("sql", "--format", "json", sides).output)
    assert (own.pop("source"), theirs.pop("source")) == (OWN, NAME) and own == theirs


def test_every_imported_file_leads_back_to_the_bytes_it_came_from(asked: Path, here: Path) -> None:
    ingest(asked)
    hashes = manifest(OUT / "originals.sha256")
    assert hashes == {file: sha256((asked / file).read_bytes()) for file in hashes}
    assert hashes == {file: sha256(original(file, records)) for file, records in imported().items()}
    runs = [run for records in imported().values() for run in records if isinstance(run, Run)]
    assert runs and {run.responses_sha for run in runs} <= set(hashes.values())


def test_each_row_keeps_its_place_and_all_but_its_source(folder: Path) -> None:
    output = ingest(folder).output
    assert rows_of(output) == {file: (rows, rows, 0) for file, rows in ROWS.items()}
    found = imported()
    assert {file: original(file, records) for file, records in found.items()} == {
        file: tiny()[file] for file in RECORDS
    }
    assert {record.source for records in found.values() for record in records} == {NAME}
    assert found["data/logs/tuned-train/s0.jsonl"] == [
        dataclasses.replace(loss, source=NAME) for loss in LOSSES
    ]
    assert found["data/distilled/lessons/answers.jsonl"][1].dropped == "loop"
    assert found["data/fine-tuned/tuned/s0.json"][0].seed == 0


def test_raw_holds_the_settings_and_a_manifest_of_the_rest(folder: Path) -> None:
    write(folder, {"dvc.yaml": b"stages: {}\n", "dvc.lock": b"schema: '2.0'\n", "sub/params.yaml": b"x"})
    ingest(folder)
    kept = {name: (folder / name).read_bytes() for name in kind.SETTINGS}
    assert tree(OUT / "raw") == kept and not any((OUT / "raw").rglob("data"))
    assert manifest(OUT / "raw.sha256") == {f"raw/{name}": sha256(text) for name, text in kept.items()}
    assert manifest(OUT / "originals.sha256") == {file: sha256(tiny()[file]) for file in RECORDS}


def test_the_other_studys_imports_are_counted_and_left_out(folder: Path) -> None:
    output = ingest(folder).output
    assert "left out: 2 rows in 1 files of data/imported/somebody; import them on their own\n" in output
    assert "somebody" not in "".join(path for path in tree(OUT))
    assert not any(b"somebody" in text for text in tree(OUT).values())


def test_what_is_no_record_is_named_and_weights_are_not_walked(folder: Path) -> None:
    write(folder, {".dvc/cache/x.jsonl": b"{}\n", ".venv/a": b"", "data/baseline/.x/model.json": b"{}"})
    output = ingest(folder).output
    named = [line.removeprefix("not read: ") for line in output.splitlines() if line.startswith("not read")]
    assert named == ["data/imported/somebody/quarantine.jsonl", "data/logs/m-sums-naked.log"]


def test_a_second_run_changes_nothing(folder: Path) -> None:
    first = ingest(folder)
    before = {path: path.stat().st_mtime_ns for path in OUT.rglob("*")}
    content = tree(OUT)
    os.utime(folder / "params.yaml", (1, 1))
    second = ingest(folder)
    assert first.output.replace("written", "unchanged") == second.output
    assert second.output.splitlines()[-1] == f"{OUT}: study, unchanged"
    assert {path: path.stat().st_mtime_ns for path in OUT.rglob("*")} == before
    assert tree(OUT) == content and [path.name for path in OUT.parent.iterdir()] == [NAME]


def test_nothing_is_written_outside_the_import(folder: Path, tmp_path: Path) -> None:
    before = tree(folder)
    ingest(folder)
    assert tree(folder) == before
    assert all(path.startswith(("other/", f"here/{OUT}/")) for path in tree(tmp_path))


def test_a_changed_study_replaces_the_whole_import(folder: Path) -> None:
    ingest(folder)
    (folder / "data/scores/sums/m.jsonl").unlink()
    assert ingest(folder).output.endswith("replaced\n")
    assert not (OUT / "scores").exists()


RESPONSES = "data/answers/sums/m.jsonl"
FAULTY = [
    (jsonl(response(4))[:49], "not JSON"),
    (b'{"run_id": "\xff"}\n', "not UTF-8"),
    (b"[]\n", "expected an object, found list"),
    (b"{}\n", "seed_id is missing"),
    (jsonl(response(4, chars="6")), 'chars expected int, found "6"'),
    (jsonl(response(4, chars=6.5)), "chars expected int, found 6.5"),
    (jsonl(response(4, tokens=2**63)), "tokens expected an integer of 64 bits"),
    (jsonl(response(4, gen_time=float("inf"))), "Infinity is not a number"),
    (jsonl(response(4)).replace(b"0.5", b"1e999"), "gen_time expected a finite number, found Infinity"),
    (jsonl(response(4, run_id=None)), "run_id is null"),
    (jsonl(response(4)).replace(b'"chars"', b'"characters"'), "chars is missing"),
    (jsonl(response(4)).replace(b'{"seed_id"', b'{"mood": 1, "seed_id"'), "mood is no field of Response"),
    (jsonl(response(4)).replace(b'{"seed_id"', b'{"chars": 7, "seed_id"'), "key 'chars' stands twice"),
    (jsonl(response(4)).replace("½".encode(), b"\\ud83d"), "half of a surrogate pair"),
    (jsonl(response(4, source="somebody")), 'source expected "own", as the folder says, found "somebody"'),
    (jsonl(response(4, source=NAME)), 'source expected "own"'),
    (jsonl(response(1, response="5")), "seed_id 'Q1', sample 0 stands twice; the first is kept"),
    (b"{" * 5000 + b"\n", "not JSON"),
    (jsonl(response(4)).replace(b'"2 + 2?"', b"[" * 900 + b"]" * 900), ""),
]


@pytest.mark.parametrize(("line", "reason"), FAULTY)
def test_a_row_that_is_no_record_is_quarantined_whole(folder: Path, line: bytes, reason: str) -> None:
    write(folder, {RESPONSES: tiny()[RESPONSES] + line})
    assert rows_of(ingest(folder).output)[RESPONSES] == (4, 3, 1)
    (row,) = quarantine()
    assert (row.source, row.file, row.line) == (NAME, RESPONSES, 4)
    assert reason in row.reason
    assert row.text == line.rstrip().decode("utf-8", "backslashreplace")
    assert original(RESPONSES, imported()[RESPONSES]) == tiny()[RESPONSES]


def test_a_key_that_another_file_has_is_quarantined(folder: Path) -> None:
    write(folder, {"data/answers/sums/n.jsonl": jsonl(response(3), response(4))})
    assert rows_of(ingest(folder).output)["data/answers/sums/n.jsonl"] == (2, 1, 1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "empty file"),
        (document(CARD)[:40], "not JSON"),
        (jsonl(CARD, CARD), "not JSON"),
        (b"\0\xff", "not UTF-8"),
        (document(dataclasses.replace(CARD, seed="0")), 'seed expected int, found "0"'),
        (document(CARD) + b" " * lines.LINE_LIMIT, "file of 20000"),
    ],
)
def test_a_document_that_is_no_record_is_quarantined(folder: Path, text: bytes, reason: str) -> None:
    write(folder, {"data/fine-tuned/tuned/s0.json": text})
    assert rows_of(ingest(folder).output)["data/fine-tuned/tuned/s0.json"] == (1, 0, 1)
    (row,) = quarantine()
    assert row.line is None and row.reason.startswith(reason) and len(row.text) < 3000
    assert not (OUT / "fine-tuned/tuned").exists()


def test_a_file_without_a_single_record_is_not_written(folder: Path, study: Path, lem) -> None:
    write(folder, {"data/items/sums.jsonl": b"", "data/scores/sums/m.jsonl": b"torn\n"})
    rows = rows_of(ingest(folder).output)
    assert rows["data/items/sums.jsonl"] == (0, 0, 0) and rows["data/scores/sums/m.jsonl"] == (1, 0, 1)
    assert not (OUT / "items").exists() and not (OUT / "scores").exists()
    lem("check")  # for which an empty file is a fault


def test_links_and_pipes_are_never_followed(folder: Path, tmp_path: Path) -> None:
    secret = write(tmp_path / "secret", {"a.jsonl": jsonl(Item("SECRET", "S", "?", None, SHA))}) / "a.jsonl"
    (folder / "data/items/stolen.jsonl").symlink_to(secret)
    (folder / "data/answers/linked").symlink_to(secret.parent)
    (folder / "dvc.lock").symlink_to(secret)
    os.mkfifo(folder / "data/items/pipe.jsonl")
    (folder / "README.md").symlink_to(secret)
    output = ingest(folder).output
    refused = {"data/items/stolen.jsonl", "data/answers/linked", "dvc.lock", "data/items/pipe.jsonl"}
    assert {file: rows_of(output)[file] for file in refused} == dict.fromkeys(refused, (1, 0, 1))
    assert {row.file for row in quarantine()} == refused and "not read: README.md" in output
    assert not any(b"SECRET" in text for text in tree(OUT).values())


def test_names_that_no_stage_gives_lead_nowhere(folder: Path) -> None:
    sound = jsonl(*(Item("odd", f"Q{n}", "?", None, SHA) for n in (1, 2)))
    odd = dict.fromkeys(("data/items/..jsonl", "data/items/a\nb.jsonl", "data/items/a b.jsonl"), sound)
    strange = jsonl(response(9, model="../../x", prompts="/etc"))
    write(folder, {**odd, "data/answers/sums/x.jsonl": strange})
    output = ingest(folder).output
    assert "not read: data/items/a\\nb.jsonl" in output and "not read: data/items/..jsonl" in output
    assert [(row.file, row.line) for row in quarantine()] == [("data/items/a b.jsonl", n) for n in (1, 2)]
    assert sorted(path.name for path in (OUT / "items").iterdir()) == ["sums.jsonl"]
    assert original("", imported()["data/answers/sums/x.jsonl"]) == strange  # a name in a record is no path


def test_a_name_that_is_no_text_is_shown_escaped(folder: Path) -> None:
    try:
        (folder / os.fsdecode(b"data/items/\xff.jsonl")).touch()
    except OSError:
        pytest.skip("this disk takes no such name")
    assert "not read: data/items/\\udcff.jsonl" in ingest(folder).output


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "nothing of this kind in it"),
        ({"params.yaml": b"{}", "data/models/m/x.json": b"{}"}, "nothing of this kind in it"),
        ({"data/imported/x/items/a.jsonl": b"{}\n"}, "nothing of this kind in it"),
        ({"data/items/a.jsonl": b"", "data/scores/a/m.jsonl": b"\n"}, "not one row in 2 files"),
    ],
)
def test_without_any_record_one_line_says_what_was_expected(
    tmp_path: Path, here: Path, files: dict[str, bytes], said: str
) -> None:
    (tmp_path / "bare").mkdir()
    failed = ingest(write(tmp_path / "bare", files))
    assert failed.exit_code == 1 and len(failed.output.splitlines()) == 1
    assert failed.output.startswith(f"Error: {tmp_path / 'bare'}: {said}")
    assert (
        "expected the records of a study (dvc pull in it fetches them): data/baseline/*/*.jsonl"
        in failed.output
    )
    assert tree(here) == {}


def test_a_data_folder_that_is_a_link_is_said_to_be_one(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked/data").symlink_to(folder / "data")
    assert "links in it are not followed" in ingest(tmp_path / "linked").output


def test_a_path_that_is_no_folder_says_so(folder: Path) -> None:
    for path, said in {"nowhere": "no such file or folder", "params.yaml": "nothing of this kind"}.items():
        failed = ingest(folder / path)
        assert failed.exit_code == 1
        assert f"{path}: {said}; expected the records of a study" in failed.output


def test_a_study_is_not_imported_into_itself(tmp_path: Path, here: Path) -> None:
    write(here, tiny())
    (tmp_path / "same").symlink_to(here)
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/data").symlink_to(here / "data")
    before = tree(here)
    for path in (".", here, tmp_path / "same", tmp_path / "shared", here / "data" / ".."):
        failed = ingest(path)
        assert failed.exit_code == 1 and "that is this study itself" in failed.output
    assert tree(here) == before


def test_a_copy_of_this_study_is_another_one(folder: Path, here: Path) -> None:
    write(here, tiny())
    assert ingest(folder).output.endswith("written\n")


def test_options_that_contradict_a_study_are_refused(folder: Path) -> None:
    assert "study takes no fine_tuned; settings it takes: none" in ingest(folder, "--fine-tuned", "m").output
    assert "source of this study's own records" in ingest(folder, name=OWN).output
    assert ingest(folder, name="../x").output.startswith("Error: --as")
    assert tree(Path()) == {}


def test_help_lists_the_kind_with_an_example(lem) -> None:
    output = lem("ingest", "--help").output
    assert "study           another checkout of this layout" in output
    assert "lem ingest --import their-study" in output


MUTATION = st.tuples(
    st.sampled_from(["flip", "flip", "truncate", "repeat", "newline", "drop"]),
    st.sampled_from(RECORDS),
    st.floats(0, 1, exclude_max=True),
    st.integers(0, 255),
)


def mutated(files: dict[str, bytes], how: str, name: str, where: float, what: int) -> dict[str, bytes]:
    text = files.get(name, b"")
    at = int(where * len(text))
    match how:
        case "drop":
            return {file: content for file, content in files.items() if file != name}
        case "flip":
            text = text[:at] + bytes([what]) + text[at + 1 :]
        case "truncate":
            text = text[:at]
        case "repeat":
            text = text[: at + 1] + text[at // 2 :]
        case "newline":
            text = text[:at] + b"\n" + text[at:]
    return {**files, name: text}


def rows_in(file: str, content: bytes) -> int:
    """Rows of a record file, counted without the code under test."""
    found = content.split(b"\n")
    while found and not found[-1].strip():
        found.pop()
    return 1 if file.endswith(".json") else len(found)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(MUTATION, min_size=1, max_size=4))
def test_whatever_the_study_no_row_is_lost_and_what_comes_in_is_a_record(
    mutations: list[tuple[str, str, float, int]],
) -> None:
    files = tiny()
    for mutation in mutations:
        files = mutated(files, *mutation)
    with tempfile.TemporaryDirectory() as top, contextlib.chdir(top):
        write(Path("other"), files)
        first = ingest("other")
        assert first.exit_code == 0, first.output
        found, bad = imported(), Counter(row.file for row in quarantine())
        for file, (rows, good, faulty) in rows_of(first.output).items():
            assert (good, faulty, rows) == (len(found.get(file, ())), bad[file], good + faulty), file
            assert rows == rows_in(file, files[file])
        assert set(rows_of(first.output)) == {file for file in RECORDS if file in files}
        keys = Counter()
        for file, records in found.items():
            table = str(kind.table_of(file))
            assert not any(misfit(dumps(r).encode(), rules.RECORDS[table], NAME) for r in records)
            keys.update((table, *(getattr(r, k) for k in rules.KEYS[table])) for r in records)
        assert set(keys.values()) <= {1}
        assert tree(Path("other")) == files
        assert all(path.startswith(("other/", f"{OUT}/")) for path in tree(Path()))
        assert ingest("other").output.endswith("unchanged\n")
