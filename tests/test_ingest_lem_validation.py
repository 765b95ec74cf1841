"""`lem ingest lem-validation`: rows in = rows out + quarantined, and each fault of a dump is found."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings

from lem.cli import main
from lem.ingest import lem_validation, lines
from lem.record_files import read_json, read_jsonl, sha256
from lem.records import Figure, Item, LogEntry, Model, Note, Quarantined, Response, Run, Score
from mutations import dumps

ROOT = Path(__file__).parents[1]
UPSTREAM = Path(os.environ.get("LEM_UPSTREAM", ROOT.parent / "shared" / "upstream")) / "lem-validation"
OUT = Path("data/imported/lem-validation")
Files = dict[str, bytes]
TEXTS = {"S1": "Because\nit is so — ½.", "S2": "No idea, sorry.", "S3": "Three."}


def jsonl(*rows: object) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def plain(seed: str, **more: object) -> dict[str, object]:
    row = {"seed_id": seed, "prompt": f"Why {seed}?", "response": TEXTS[seed], "gen_time": 1.5}
    return {**row, **more}


def thought(seed: str, **more: object) -> dict[str, object]:
    reasoning = f"They ask of {seed}."
    row = {"response": TEXTS[seed], "reasoning": reasoning, "is_refusal": seed == "S2", "mode": "K-signed"}
    row |= {"chars": len(TEXTS[seed]), "reasoning_chars": len(reasoning), "gen_time": 2.0}
    return {"seed_id": seed, "prompt": f"Why {seed}?", **row, **more}


def run_log(model: str = "tuned-2b", word: str = "unsigned") -> str:
    rows = enumerate(TEXTS.items(), 1)
    printed = "".join(
        f"[{n}/3] {seed} | {len(text)} chars | 1.5s\n  >> {text[:12]}...\n" for n, (seed, text) in rows
    )
    head = f"Loading model: /home/somebody/weights/Fine-{model}-v9\n\n"
    return f"{head}{printed}\nDone. 3 responses saved to /home/somebody/{model}-{word}.jsonl\n"


def results(label: str, right: bool) -> dict[str, Any]:
    row = {"question": "2 + 2?", "gold": "4", "model_answer": "4", "correct": right, "time": 0.5}
    rows = [{**row, "response": "= 4" if right else "= 5"}]
    rows.append({**row, "question": "3 + 3?", "gold": "6", "response": "It is 6.", "correct": True})
    count = 1 + right
    head = {"label": label, "accuracy": 50.0 * count, "correct": count, "total": 2, "avg_time": 0.5}
    return {**head, "results": rows}


def truths(label: str) -> dict[str, Any]:
    row = {"question": "Is it so?", "best_answer": "No", "response": "No.", "time": 0.1}
    flags = {"correct_match": True, "incorrect_match": False, "has_refusal": False}
    head = {"label": label, "truthful_rate": 100.0, "untruthful_rate": 0.0, "refusal_rate": 0.0}
    return {**head, "results": [{**row, **flags}]}


SUMMARY = {
    "sums": {"base": 100.0, "tuned": 50.0, "delta": -50.0},
    "truthtest": {"base_truthful": 100.0, "tuned_truthful": 100.0, "delta": 0.0, "base_refusal": None},
    "speed": {"sums_base": 0.5, "tt_tuned": 0.25},
}


def tiny() -> Files:
    """A dump without a fault: 3 models' answers, two logs, two benchmarks of two models, their summary."""
    documents = {
        "sums-base": results("BASE", True),
        "sums-tuned": results("TUNED", False),
        "truthtest-base": truths("BASE"),
        "summary": SUMMARY,
    }
    tests = "".join(
        f"--- Prompt {n}/2: How {n} ... ---\n  A_sandwich: 9.2s | 16 chars | so\n" for n in (1, 2)
    )
    return {
        "base-2b-unsigned.jsonl": jsonl(*map(plain, TEXTS)),
        "tuned-2b-unsigned.jsonl": jsonl(*map(plain, TEXTS)),
        "gp-os-k-signed.jsonl": jsonl(*map(thought, TEXTS)),
        "tuned-validation.log": run_log().encode(),
        "format_test.log": tests.encode(),
        **{f"benchmarks/{name}.json": json.dumps(text).encode() for name, text in documents.items()},
    }


def write(folder: Path, files: Files) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def ingest(folder: Path | str, *options: str, kind: str = "lem-validation") -> Result:
    """Run the command; only LemError (one line, exit 1) and usage errors may stop it."""
    result = CliRunner().invoke(main, ["ingest", kind, str(folder), *options])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    assert "Traceback" not in result.output
    return result


def rows_of(output: str) -> dict[str, tuple[int, int, int]]:
    """{file: (rows, imported, quarantined)} of the printed table."""
    table = [line.split() for line in output.splitlines()]
    table = [row for row in table if row and row[0] in ("responses", "log", "benchmarks", "files")]
    return {row[1]: (int(row[2]), int(row[3]), int(row[4])) for row in table}


def tree(folder: Path) -> Files:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def quarantine() -> list[Quarantined]:
    return list(read_jsonl(OUT / "quarantine.jsonl", Quarantined))


def notes() -> list[Note]:
    path = OUT / "notes.jsonl"
    return list(read_jsonl(path, Note)) if path.exists() else []


def of(glob: str, cls: type) -> list[Any]:
    return [row for path in sorted(OUT.glob(glob)) for row in read_jsonl(path, cls)]


def models() -> dict[str, Model]:
    found = [read_json(path, Model) for path in OUT.glob("*/*/model.json")]
    assert len({model.name for model in found}) == len(found)
    return {model.name: model for model in found}


@pytest.fixture(autouse=True)
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "study").mkdir()
    monkeypatch.chdir(tmp_path / "study")
    monkeypatch.setattr(os, "fsync", lambda _: None)  # nothing here has to outlive a power cut
    return tmp_path / "study"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "dump", tiny())


def edit(folder: Path, file: str, change: Callable[[str], str]) -> None:
    path = folder / file
    path.write_bytes(change(path.read_text()).encode())


def test_a_sound_dump_becomes_records_without_a_note(folder: Path) -> None:
    assert rows_of(ingest(folder).output) == {
        "base-2b-unsigned.jsonl": (3, 3, 0),
        "gp-os-k-signed.jsonl": (3, 3, 0),
        "tuned-2b-unsigned.jsonl": (3, 3, 0),
        "format_test.log": (2, 2, 0),
        "tuned-validation.log": (3, 3, 0),
        "benchmarks/sums-base.json": (3, 3, 0),
        "benchmarks/sums-tuned.json": (3, 3, 0),
        "benchmarks/truthtest-base.json": (2, 2, 0),
        "benchmarks/summary.json": (1, 1, 0),
    }
    assert quarantine() == [] and notes() == []
    assert tree(OUT / "raw") == tiny()


def test_a_second_run_changes_nothing(folder: Path) -> None:
    assert ingest(folder).output.endswith("written\n")
    before = tree(OUT)
    assert ingest(folder).output.endswith("unchanged\n") and tree(OUT) == before


def test_answers_keep_what_is_known_and_null_what_is_not(folder: Path) -> None:
    ingest(folder)
    row = of("fine-tuned/tuned-2b/validation-unsigned.jsonl", Response)[0]
    assert (row.seed_id, row.prompt, row.response, row.gen_time) == ("S1", "Why S1?", TEXTS["S1"], 1.5)
    assert (row.chars, row.prompt_sha, row.reasoning) == (21, sha256("Why S1?"), None)
    assert (row.reasoning_chars, row.is_refusal, row.finish_reason) == (None, None, None)
    signed = of("fine-tuned/gp-os-k/validation-K-signed.jsonl", Response)
    assert [row.is_refusal for row in signed] == [False, True, False]
    assert {(row.mode, row.reasoning_chars) for row in signed} == {("K-signed", 15)}


def test_every_answer_and_score_points_at_a_run_of_its_own(folder: Path) -> None:
    edit(folder, "tuned-2b-unsigned.jsonl", lambda text: text + jsonl(plain("S1", mode="naked")).decode())
    ingest(folder)
    runs = {run.run_id: run for run in (read_json(path, Run) for path in OUT.glob("logs/*.json"))}
    assert len(runs) == len(list(OUT.glob("logs/*.json"))) == 7
    rows = of("*/*/validation-*.jsonl", Response) + of("answers/*/*.jsonl", Response)
    assert {(row.run_id, row.model, row.prompts, row.mode) for row in rows} == {
        (run.run_id, run.model, run.prompts, run.mode) for run in runs.values()
    }
    assert Counter(row.run_id for row in rows) == {run.run_id: run.responses for run in runs.values()}
    assert {row.run_id for row in of("scores/*/*.jsonl", Score)} <= set(runs)
    assert {run.seed for run in runs.values()} == {None}


def test_names_and_logs_tell_the_models(folder: Path) -> None:
    ingest(folder)
    found = {name: (m.role, m.scale, m.base, m.origin) for name, m in models().items()}
    assert found == {
        "base": ("baseline", None, None, None),
        "base-2b": ("baseline", "2B", None, None),
        "gp-os-k": ("fine-tuned", None, None, None),
        "tuned": ("fine-tuned", None, "base", None),
        "tuned-2b": ("fine-tuned", "2B", "base-2b", "Fine-tuned-2b-v9"),
    }
    records = b"".join(text for name, text in tree(OUT).items() if not name.startswith("raw/"))
    assert b"/home/somebody" not in records


def test_a_log_gives_the_scale_that_a_name_lacks(folder: Path) -> None:
    (folder / "tuned-2b-unsigned.jsonl").rename(folder / "v5b-unsigned.jsonl")
    log = run_log("v5b").replace("Fine-v5b-v9", "Some-2B-v5b")
    write(folder, {"tuned-validation.log": log.encode()})
    ingest(folder)
    found = models()["v5b"]
    assert (found.scale, found.base, found.origin) == ("2B", "base-2b", "Some-2B-v5b")


def test_fine_tuned_names_are_taken_at_their_word(folder: Path) -> None:
    ingest(folder, "--fine-tuned", "base-2b")
    assert {name for name, model in models().items() if model.role == "fine-tuned"} == {"base-2b"}
    failed = ingest(folder, "--fine-tuned", "nobody")
    assert failed.exit_code == 1 and "nobody: no such model; there are base, base-2b" in failed.output


def test_a_model_of_both_answers_and_benchmarks_is_one(folder: Path) -> None:
    (folder / "tuned-2b-unsigned.jsonl").rename(folder / "Tuned-unsigned.jsonl")
    ingest(folder)
    assert "Tuned" in models() and "tuned" not in models()
    assert {row.model for row in of("answers/*/*.jsonl", Response)} == {"Tuned", "base"}
    assert {row.model for row in of("figures/*.jsonl", Figure)} == {"Tuned", "base"}


def test_log_entries_say_what_the_log_says(folder: Path) -> None:
    ingest(folder)
    rows = of("logs/*.jsonl", LogEntry)
    said = [(row.model, row.prompts, row.mode, row.seed_id, row.preview) for row in rows]
    assert said == [
        ("format_test", "format", "sandwich", "How 1 ...", "so"),
        ("format_test", "format", "sandwich", "How 2 ...", "so"),
        ("tuned-2b", "validation", "unsigned", "S1", "Because\nit i..."),
        ("tuned-2b", "validation", "unsigned", "S2", "No idea, sor..."),
        ("tuned-2b", "validation", "unsigned", "S3", "Three...."),
    ]
    assert [row.place for row in rows] == [1, 2, 1, 2, 3] and rows[2].chars == 21


def test_a_log_takes_the_mode_that_the_answers_state(folder: Path) -> None:
    write(folder, {"k-validation.log": run_log("gp-os-k", "signed").replace("1.5s", "2.0s").encode()})
    ingest(folder)
    assert {row.mode for row in of("logs/k-validation.jsonl", LogEntry)} == {"K-signed"}
    assert notes() == []


def test_results_become_items_answers_and_scores(folder: Path) -> None:
    ingest(folder)
    items = of("items/sums.jsonl", Item)
    assert [(item.item_id, item.question, item.gold) for item in items] == [
        ("q" + sha256("2 + 2?")[:12], "2 + 2?", "4"),
        ("q" + sha256("3 + 3?")[:12], "3 + 3?", "6"),
    ]
    assert [row.seed_id for row in of("answers/sums/*.jsonl", Response)] == [i.item_id for i in items] * 2
    scores = of("scores/sums/tuned.jsonl", Score)
    read = [(row.filter, row.value, row.extracted) for row in scores if row.item_id == items[0].item_id]
    assert read == [
        ("stored", 0.0, "4"),
        ("flexible", 0.0, "5"),
        ("strict", 0.0, None),
        ("first-after-equals", 0.0, "5"),
    ]
    flags = {row.metric: (row.value, row.scorer) for row in of("scores/truthtest/base.jsonl", Score)}
    assert flags == {
        "truthful_match": (1.0, "stored"),
        "untruthful_match": (0.0, "stored"),
        "refusal_flag": (0.0, "stored"),
    }


def test_headers_and_the_summary_become_figures(folder: Path) -> None:
    ingest(folder)
    rows = of("figures/*.jsonl", Figure)
    assert len({(row.document, row.place) for row in rows}) == len(rows)
    told = {(r.document, r.place): (r.model, r.benchmark, r.metric, r.value, r.unit, r.n) for r in rows}
    file = "benchmarks/sums-tuned.json"
    assert told[file, "accuracy"] == ("tuned", "sums", "exact_match", 50.0, "percent", 2)
    assert told[file, "correct"] == ("tuned", "sums", "correct_answers", 1.0, "answers", 2)
    assert told[file, "avg_time"] == ("tuned", "sums", "gen_time", 0.5, "seconds", 2)
    truth = told["benchmarks/truthtest-base.json", "truthful_rate"]
    assert truth == ("base", "truthtest", "truthful_match", 100.0, "percent", None)
    summary = {place: row for (document, place), row in told.items() if document.endswith("summary.json")}
    assert summary == {
        "sums.base": ("base", "sums", "exact_match", 100.0, "percent", None),
        "sums.tuned": ("tuned", "sums", "exact_match", 50.0, "percent", None),
        "sums.delta": ("tuned", "sums", "exact_match_delta", -50.0, "points", None),
        "truthtest.base_truthful": ("base", "truthtest", "truthful_match", 100.0, "percent", None),
        "truthtest.tuned_truthful": ("tuned", "truthtest", "truthful_match", 100.0, "percent", None),
        "truthtest.delta": ("tuned", "truthtest", "truthful_match_delta", 0.0, "points", None),
        "truthtest.base_refusal": ("base", "truthtest", "refusal_flag", None, "percent", None),
        "speed.sums_base": ("base", "sums", "gen_time", 0.5, "seconds", None),
        "speed.tt_tuned": ("tuned", "truthtest", "gen_time", 0.25, "seconds", None),
    }
    assert [row.error for row in rows if row.value is None] == ["truthtest.base_refusal is null"]


def test_a_summary_alone_tells_its_models(tmp_path: Path) -> None:
    whole = {"sums": {"base": 1.0, "Other": 2.0, "n": 100}, "when": "today"}
    write(tmp_path / "dump", {"benchmarks/summary.json": json.dumps(whole).encode()})
    ingest(tmp_path / "dump")
    assert [(row.model, row.value) for row in of("figures/*.jsonl", Figure)] == [
        ("base", 1.0),
        ("other", 2.0),
    ]
    (note,) = notes()
    assert note.rule == "figure_unplaced" and note.detail.endswith("sums.n")


PLANTED = [
    (
        "base-2b-unsigned.jsonl",
        '"gen_time"',
        '"time"',
        "other_field_name",
        "info",
        "time stands for gen_time in 3",
    ),
    (
        "gp-os-k-signed.jsonl",
        '"chars": 21',
        '"chars": 22',
        "stated_length",
        "warning",
        "22 stated, 21 counted",
    ),
    (
        *("gp-os-k-signed.jsonl", '"reasoning_chars": 15', '"reasoning_chars": 0'),
        *("stated_length", "warning", "reasoning_chars: 0 stated, 15 counted"),
    ),
    ("tuned-validation.log", "| 21 chars", "| 20 chars", "log_disagrees", "warning", "20 logged, 21"),
    ("tuned-validation.log", "chars | 1.5s", "chars | 1.7s", "log_disagrees", "warning", "1.7 logged, 1.5"),
    ("tuned-validation.log", ">> Because", ">> Besides", "log_disagrees", "warning", "does not begin"),
    ("tuned-validation.log", "[3/3]", "[3/4]", "incomplete_run", "error", "3 of 4 answers"),
    ("tuned-validation.log", "Done. 3", "Done. 9", "incomplete_run", "error", "3 of 9 answers"),
    ("format_test.log", "t 2/2", "t 2/3", "incomplete_run", "error", "2 of 3 answers"),
    (
        *("tuned-validation.log", "\n[2/3]", "\na/b.py:3: UserWarning: old\n[2/3]"),
        *("log_noise", "info", "1 warning line, 4 preview lines"),
    ),
    (
        "format_test.log",
        "---\n",
        "---\n 9%|#  | 1/9\n",
        "log_noise",
        "info",
        "2 progress bars, 2 other lines",
    ),
    (
        "tuned-validation.log",
        "S3 |",
        "S9 |",
        "rows_missing",
        "error",
        "1 of 3 logged answers are not in tuned",
    ),
    ("tuned-validation.log", "S3 |", "S9 |", "rows_not_logged", "warning", "1 of 3 answers in tuned"),
    (
        "tuned-validation.log",
        "tuned-2b-un",
        "tuned-3b-un",
        "rows_missing",
        "error",
        "saved to tuned-3b-unsigned",
    ),
]


@pytest.mark.parametrize(("file", "old", "new", "rule", "severity", "detail"), PLANTED)
def test_a_planted_fault_is_found(
    folder: Path, file: str, old: str, new: str, rule: str, severity: str, detail: str
) -> None:
    edit(folder, file, lambda text: text.replace(old, new))
    ingest(folder)
    found = [note for note in notes() if note.rule == rule]
    assert found and {(note.severity, note.file) for note in found} == {(severity, file)}
    assert detail in found[0].detail
    assert len({(n.rule, n.file, n.line, n.model, n.prompts, n.item_id) for n in notes()}) == len(notes())
    assert quarantine() == []


def test_a_run_without_answers_in_the_dump_is_missing_all_of_them(folder: Path) -> None:
    (folder / "tuned-2b-unsigned.jsonl").unlink()
    ingest(folder)
    (note,) = notes()
    assert note.rule == "rows_missing" and note.detail.startswith("3 of 3 logged answers")
    assert models()["tuned-2b"].origin == "Fine-tuned-2b-v9"


ANSWERS = [
    (b'{"seed_id": "S1", "prompt": "cut of\n', "not JSON"),
    (b'{"seed_id": "S1", "prompt": "\xff"}\n', "not UTF-8"),
    (b"[1]\n", "expected an object, found list"),
    (b'{"a": ' + b"[" * 20_000 + b"\n", ""),
    (b'{"seed_id": "S1", "seed_id": "S2"}\n', "key 'seed_id' stands twice"),
    (jsonl(plain("S1")).replace(b"1.5", b"NaN"), "NaN is not a number"),
    (jsonl(plain("S1")).replace(b"1.5", b"1e999"), "beyond any float"),
    (jsonl(plain("S1", gen_time=-1)), "-1 is no amount"),
    (jsonl(plain("S1", gen_time="fast")), "expected a number, found str"),
    (jsonl(plain("S1", prompt=None)), "no prompt"),
    (jsonl(plain("S1", prompt=["?"])), "must be text"),
    (jsonl(plain("S1", response=None)), "must be text"),
    (jsonl(plain("S1", reasoning=7)), "must be text"),
    (jsonl(plain("S1", response="half \ud83d")), "surrogate"),
    (jsonl(plain("S1", seed_id=" ")), "no seed_id"),
    (jsonl(plain("S1", seed_id=["S1"])), "seed_id expected str"),
    (jsonl(plain("S1", mode="../../x")), "mode '../../x' cannot be part of a file name"),
    (jsonl(plain("S1", mode=5)), "mode 5 cannot"),
    (jsonl(plain("S1", is_refusal="no")), "is_refusal expected bool"),
    (jsonl(plain("S1", chars="21")), "expected a number, found str"),
    (jsonl(plain("S2")), "seed_id 'S2' stands twice; the first is kept"),
    (b"\n", "blank line"),
]


@pytest.mark.parametrize(("line", "reason"), ANSWERS)
def test_a_faulty_answer_is_quarantined_whole(folder: Path, line: bytes, reason: str) -> None:
    file = "base-2b-unsigned.jsonl"
    write(folder, {file: jsonl(plain("S2")) + line + jsonl(plain("S3"))})
    assert rows_of(ingest(folder).output)[file] == (3, 2, 1)
    (row,) = quarantine()
    assert (row.file, row.line) == (file, 2) and reason in row.reason
    assert row.text == line.rstrip().decode("utf-8", "backslashreplace")


def test_one_seed_in_two_modes_is_two_answers(folder: Path) -> None:
    rows = jsonl(plain("S1", mode="Unsigned"), plain("S1", mode="naked"), plain("S1", mode="UNSIGNED"))
    write(folder, {"base-2b-unsigned.jsonl": rows})
    assert rows_of(ingest(folder).output)["base-2b-unsigned.jsonl"] == (3, 2, 1)
    assert {path.name for path in OUT.glob("baseline/base-2b/*.jsonl")} == {
        "validation-naked.jsonl",
        "validation-unsigned.jsonl",
    }


def test_an_excerpt_beside_its_whole_adds_nothing(folder: Path) -> None:
    write(folder, {"base-2b-unsigned.excerpt.jsonl": jsonl(plain("S1"))})
    write(folder, {"benchmarks/sums-base.excerpt.json": tiny()["benchmarks/sums-base.json"]})
    counts = rows_of(ingest(folder).output)
    assert counts["base-2b-unsigned.excerpt.jsonl"] == (1, 1, 0)
    assert counts["base-2b-unsigned.jsonl"] == (3, 2, 1)
    assert counts["benchmarks/sums-base.json"] == (3, 1, 2)


def broken(**more: object) -> bytes:
    whole = results("BASE", True)
    whole["results"][1] |= more
    return json.dumps(whole).encode()


RESULTS = [
    (broken(question=None), "no question"),
    (broken(question=[1]), "question must be text"),
    (broken(question="half \ud83d"), "surrogate"),
    (broken(response=None), "response must be text"),
    (broken(correct="yes"), "expected a number, found str"),
    (broken(correct=3), "correct: expected true or false"),
    (broken(correct=float("nan")), "NaN, Infinity"),
    (broken(gold=True), "gold: expected text or a number, found bool"),
    (broken(gold=[6]), "expected a number, found list"),
    (broken(time="1 s"), "expected a number, found str"),
    (broken(question="2 + 2?"), "question '2 + 2?' stands twice"),
    (
        broken(question="3 + 3?").replace(b'"correct": true,', b'"correct": true, "time": 1, "time": 2,'),
        "twice",
    ),
]


@pytest.mark.parametrize(("text", "reason"), RESULTS)
def test_a_faulty_result_is_quarantined(folder: Path, text: bytes, reason: str) -> None:
    write(folder, {"benchmarks/sums-base.json": text})
    rows, imported, quarantined = rows_of(ingest(folder).output)["benchmarks/sums-base.json"]
    assert rows == 3 and imported + quarantined == 3 and quarantined >= 1
    assert reason in quarantine()[-1].reason and quarantine()[-1].file == "benchmarks/sums-base.json"


def test_a_gold_that_contradicts_the_other_models_is_refused(folder: Path) -> None:
    edit(folder, "benchmarks/sums-tuned.json", lambda text: text.replace('"gold": "6"', '"gold": "7"'))
    assert rows_of(ingest(folder).output)["benchmarks/sums-tuned.json"] == (3, 2, 1)
    assert quarantine()[0].reason == "gold '7' contradicts '6', which another file has"


def test_a_score_that_one_result_lacks_is_null_with_an_error(folder: Path) -> None:
    whole = results("BASE", True)
    del whole["results"][1]["correct"]
    write(folder, {"benchmarks/sums-base.json": json.dumps(whole).encode()})
    ingest(folder)
    stored = [row for row in of("scores/sums/base.jsonl", Score) if row.filter == "stored"]
    assert [(row.value, row.error) for row in stored] == [(1.0, None), (None, "correct is missing")]


DOCUMENTS = [
    (b"", 1, "empty file"),
    (b"[]", 1, "expected an object"),
    (b"{" * 100_000, 1, "not JSON"),
    (b'{"label": "BASE", "label": "X", "results": []}', 1, "key 'label' stands twice"),
    (b'{"label": "OTHER", "results": []}', 1, "label 'other' contradicts the file name"),
    (b'{"label": "BASE", "results": {}}', 1, "results: expected a list, found an object"),
    (b'{"label": "BASE", "accuracy": "4 %", "results": [5]}', 2, "expected a number, found str"),
    (b'{"label": "BASE", "accuracy": NaN, "results": [5]}', 2, "NaN, Infinity"),
    (b'{"label": "BASE", "total": -1, "results": []}', 1, "-1 is no amount"),
    (b'{"label": "BASE", "": 1, "results": []}', 1, "a key without a name"),
    ("{}".encode("utf-16"), 1, "not UTF-8"),
]


@pytest.mark.parametrize(("text", "rows", "reason"), DOCUMENTS)
def test_a_faulty_document_is_quarantined(folder: Path, text: bytes, rows: int, reason: str) -> None:
    write(folder, {"benchmarks/sums-base.json": text})
    assert rows_of(ingest(folder).output)["benchmarks/sums-base.json"] == (rows, 0, rows)
    assert reason in quarantine()[0].reason


@pytest.mark.parametrize(
    "whole",
    [
        {"sums": {"base": float("nan"), "tuned": 1}},
        {"a": {"b.c": {"base": 1}, "b": {"c": {"base": 1}}}},
        {"sums": {"base": 10**400}},
    ],
)
def test_a_summary_that_cannot_be_taken_is_quarantined(folder: Path, whole: object) -> None:
    write(folder, {"benchmarks/summary.json": json.dumps(whole).encode()})
    assert rows_of(ingest(folder).output)["benchmarks/summary.json"] == (1, 0, 1)
    assert len(models()) == 5


def test_a_model_that_is_a_path_is_no_path_of_ours(tmp_path: Path) -> None:
    whole = {"sums": {"base_truthful": 1, "../../x_truthful": 2}}
    write(tmp_path / "dump", {"benchmarks/summary.json": json.dumps(whole).encode()})
    failed = ingest(tmp_path / "dump")
    assert failed.exit_code == 1 and "not one row could be imported" in failed.output
    assert "cannot be a file name of ours" in failed.output and not OUT.exists()
    assert not list(tmp_path.rglob("x*"))


@pytest.mark.parametrize("text", [b"", b"nothing here\n", run_log().encode("utf-16"), b"\x00\xff" * 500])
def test_a_log_without_an_entry_is_quarantined_whole(folder: Path, text: bytes) -> None:
    write(folder, {"format_test.log": text})
    assert rows_of(ingest(folder).output)["format_test.log"] == (1, 0, 1)
    assert [(row.file, row.line) for row in quarantine()] == [("format_test.log", None)]


def test_a_torn_entry_is_quarantined_and_missed(folder: Path) -> None:
    edit(
        folder,
        "tuned-validation.log",
        lambda text: text.replace("[2/3] S2 | 15 chars | 1.5s", "[2/3] S2 | 1"),
    )
    assert rows_of(ingest(folder).output)["tuned-validation.log"] == (3, 2, 1)
    (row,) = quarantine()
    assert (row.line, row.text) == (6, "[2/3] S2 | 1")
    assert {note.rule for note in notes()} == {"incomplete_run", "rows_not_logged"}


def test_a_huge_line_in_a_log_is_no_reason_to_fail(folder: Path) -> None:
    huge = b"[2/3] S2 | " + b"x" * (lines.LINE_LIMIT + 10) + b"\n"
    text = tiny()["tuned-validation.log"].replace(b"[2/3] S2 | 15 chars | 1.5s\n", huge)
    write(folder, {"tuned-validation.log": text})
    assert rows_of(ingest(folder).output)["tuned-validation.log"] == (3, 2, 1)
    assert (
        quarantine()[0].reason.startswith(f"line of {len(huge)} bytes") and len(quarantine()[0].text) < 2200
    )


def test_other_files_and_links_are_told_and_left(folder: Path) -> None:
    write(folder, {"README.md": b"about", "notes.jsonl": b"{}\n", "sub/a-unsigned.jsonl": b"{}\n"})
    (folder / "x-signed.jsonl").symlink_to(folder / "README.md")
    output = ingest(folder).output
    for file in ("README.md", "notes.jsonl", "sub/a-unsigned.jsonl"):
        assert f"not read: {file}" in output
    assert [(row.file, row.line) for row in quarantine()] == [("x-signed.jsonl", None)]


def test_auto_knows_a_validation_dump(folder: Path, tmp_path: Path) -> None:
    assert ingest(folder, kind="auto").output.endswith(": lem-validation, written\n")
    label = {"benchmarks/sums-base.json": tiny()["benchmarks/sums-base.json"]}
    for files in ({"a-validation.log": b""}, {"a-signed.jsonl": b""}, label):
        top = write(tmp_path / next(iter(files)).replace("/", "_"), files)
        assert lem_validation.knows(top, list(files))
    assert not lem_validation.knows(
        tmp_path, ["a.log", "a.jsonl", "benchmarks/absent.json", "sub/a-signed.jsonl"]
    )
    write(tmp_path, {"benchmarks/x.json": b'{"results": []}'})
    (tmp_path / "benchmarks/y.json").symlink_to(folder / "benchmarks/sums-base.json")
    assert not lem_validation.knows(tmp_path, ["benchmarks/x.json", "benchmarks/y.json"])


def test_the_checks_of_the_study_take_what_was_imported(folder: Path) -> None:
    ingest(folder)
    for words in (["doctor", "--pin"], ["check"]):
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 0, result.output
    assert "log_entries" in result.output


def rows_in(file: str, content: bytes) -> int | None:
    """Rows of a file, counted without the code under test; None where this cannot tell."""
    if file.endswith(".jsonl"):
        found = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
        while found and not found[-1].strip():
            found.pop()
        return len(found)
    if file == "tuned-validation.log":
        starts = sum(line.startswith(b"[") and line[1:2].isdigit() for line in content.split(b"\n"))
        return None if b"\r" in content or b"\x1b" in content or not starts else starts
    return None


def rows_out() -> Counter[str]:
    """Rows imported, by raw file, counted from what lies on the disk."""
    out: Counter[str] = Counter()
    for row in of("*/*/validation-*.jsonl", Response):
        out[f"{row.model}-{'signed' if row.model == 'gp-os-k' else 'unsigned'}.jsonl"] += 1
    out.update(row.file for row in of("logs/*.jsonl", LogEntry))
    for row in of("answers/*/*.jsonl", Response):
        out[f"benchmarks/{row.prompts}-{row.model}.json"] += 1
    out.update({row.document for row in of("figures/*.jsonl", Figure)})
    return out


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(dumps(tiny()))
def test_whatever_the_dump_no_row_is_lost_and_nothing_lies_elsewhere(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as top, contextlib.chdir(top):
        write(Path("dump"), files)
        Path("dump").mkdir(exist_ok=True)
        first = ingest("dump")
        if first.exit_code:
            assert first.output.startswith("Error: ") and len(first.output.splitlines()) == 1
            assert set(tree(Path())) == {f"dump/{name}" for name in files}
            return
        bad, good = Counter(row.file for row in quarantine()), rows_out()
        for file, (rows, imported, quarantined) in rows_of(first.output).items():
            assert (quarantined, rows) == (bad[file], imported + quarantined), file
            headers = file.endswith(".json") and imported - good[file]  # a header may state no figure
            assert headers in (False, 0, 1) and (headers or imported == good[file]), file
            assert rows_in(file, files[file]) in (None, rows)
        assert set(rows_of(first.output)) == set(files) and tree(OUT / "raw") == files
        assert all(path.startswith(("dump/", f"{OUT}/")) for path in tree(Path()))
        assert tree(Path("dump")) == files
        assert ingest("dump").output.endswith("unchanged\n")


def upstream() -> Path:
    if not UPSTREAM.is_dir():
        pytest.skip(f"{UPSTREAM} is absent; LEM_UPSTREAM names the folder that holds lem-validation")
    return UPSTREAM


def test_every_row_of_the_real_dump_is_accounted_for() -> None:
    folder = upstream()
    counts = rows_of(ingest(folder).output)
    expected = {"format_test.log": 29, "base27b-validation.log": 40, "v5b-validation.log": 40}
    for path in folder.glob("*.jsonl"):
        expected[path.name] = len(path.read_bytes().splitlines())
    for path in folder.glob("benchmarks/*.json"):
        whole = json.loads(path.read_text())
        expected[f"benchmarks/{path.name}"] = 1 + len(whole.get("results", ()))
    assert counts == {file: (rows, rows, 0) for file, rows in expected.items()}
    assert ingest(folder).output.endswith("unchanged\n")


def test_the_real_dumps_models_and_logs_are_told_apart() -> None:
    ingest(upstream())
    bases = {name: (model.scale, model.base) for name, model in models().items() if model.base}
    assert bases == {
        "lem": (None, "base"),
        "lem-1b": ("1B", "base-1b"),
        "v5b": ("27B", "base-27b"),
        "gpt-oss-lek": (None, "gpt-oss-base"),
    }
    rows = of("logs/*.jsonl", LogEntry)
    runs = Counter((row.model, row.prompts, row.mode) for row in rows)
    assert runs == {
        ("base-27b", "validation", "unsigned"): 40,
        ("v5b", "validation", "unsigned"): 40,
        ("format_test", "format", "sandwich"): 8,
        ("format_test", "format", "system"): 7,
        ("format_test", "format", "kernel-only"): 7,
        ("format_test", "format", "naked"): 7,
    }
    assert all(row.preview and row.preview.endswith("...") for row in rows)


def test_the_real_dumps_faults_are_found() -> None:
    ingest(upstream())
    found: dict[str, list[str]] = {}
    for note in notes():
        found.setdefault(note.rule, []).append(f"{note.file}: {note.detail}")
    assert set(found) == {"other_field_name", "log_noise", "incomplete_run", "rows_missing"}
    assert [text.split(":")[0] for text in found["other_field_name"]] == [
        "gpt-oss-base-unsigned.excerpt.jsonl",
        "gpt-oss-lek-signed.excerpt.jsonl",
    ]
    assert len(found["log_noise"]) == 3 and all("2 warning lines" in text for text in found["log_noise"])
    assert len(found["incomplete_run"]) == 1 and "29 of 40" in found["incomplete_run"][0]
    assert [text.partition(" logged")[0] for text in found["rows_missing"] if "logged" in text] == [
        "base27b-validation.log: 36 of 40",
        "v5b-validation.log: 36 of 40",
    ]


def test_the_real_dumps_stored_readings_are_the_first_number_after_an_equals_sign() -> None:
    ingest(upstream())
    rows = of("scores/gsm8k/*.jsonl", Score)
    read = {(row.model, row.item_id, row.filter): row for row in rows}
    pairs = [
        (row, read[row.model, row.item_id, "first-after-equals"]) for row in rows if row.filter == "stored"
    ]
    assert len(pairs) == 30
    assert sum(stored.extracted == ours.extracted for stored, ours in pairs) >= 25
