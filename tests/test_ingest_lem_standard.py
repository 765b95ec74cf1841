"""`lem ingest lem-standard`: rows in = rows out + quarantined, whatever the dump."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings

from lem.cli import main
from lem.ingest import dump as dump_module
from lem.ingest import lem_standard, lines, places
from lem.ingest.answers import role
from lem.ingest.lem_standard import identity
from lem.record_files import read_json, read_jsonl, sha256
from lem.records import (
    Item,
    Model,
    Quarantined,
    Response,
    Run,
    Score,
)
from mutations import dumps

ROOT = Path(__file__).parents[1]
UPSTREAM = Path(os.environ.get("LEM_UPSTREAM", ROOT.parent / "shared" / "upstream")) / "lem-standard"
OUT = Path("data/imported/lem-standard")


def jsonl(*rows: object) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def question(n: int, **more: object) -> dict[str, object]:
    return {"id": f"Q{n}", "benchmark": "do_not", "question": f"What is {n}?", **more}


def result(n: int, model: str = "lem_one", **more: object) -> dict[str, object]:
    row = {"id": f"Q{n}", "benchmark": "do_not", "model": model, "prompt": f"What is {n}?"}
    return {**row, "response": f"It is {n} — ½.", "elapsed_seconds": 0.5, **more}


def tiny() -> dict[str, bytes]:
    """A dump without a fault: 2 question sets, 3 answer files, scores of two variants."""
    judged = {f"Q{n}": {"safety": 8, "nuance": 7.0, "reasoning": "because"} for n in (1, 2, 3)}
    exact = {"N1": {"correct": True, "extracted": "4", "expected": "4"}}
    return {
        "do_not.jsonl": jsonl(*(question(n, risk_area="harm", types_of_harm="x") for n in (1, 2, 3))),
        "numbers.jsonl": jsonl({"id": "N1", "prompt": "2 + 2?", "correct_answer": "4", "category": "sum"}),
        "results/do_not_base.jsonl": jsonl(*(result(n, "base") for n in (1, 2, 3))),
        "results/do_not_lem_one.jsonl": jsonl(*(result(n) for n in (1, 2, 3))),
        "results/numbers_base.jsonl": jsonl({"id": "N1", "prompt": "2 + 2?", "response": ""}),
        "x_scores.json": json.dumps(
            {"scores": {"do_not": {"base": judged, "lem_one": judged}, "numbers": {"base": exact}}}
        ).encode(),
    }


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def ingest(folder: Path | str, *options: str) -> Result:
    """Run the command; only LemError (one line, exit 1) and usage errors may stop it."""
    result = CliRunner().invoke(main, ["ingest", "lem-standard", str(folder), *options])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    assert "Traceback" not in result.output
    return result


def rows_of(output: str) -> dict[str, tuple[int, int, int]]:
    """{file: (rows, imported, quarantined)} of the printed table."""
    table = [line.split() for line in output.splitlines() if line[:5] in ("items", "answe", "score", "files")]
    return {row[1]: (int(row[2]), int(row[3]), int(row[4])) for row in table}


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def listed(folder: Path | str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def quarantine() -> list[Quarantined]:
    return list(read_jsonl(OUT / "quarantine.jsonl", Quarantined))


def scores(benchmark: str = "do_not", variant: str = "base") -> list[Score]:
    return list(read_jsonl(OUT / "scores" / benchmark / f"{variant}.jsonl", Score))


def stored(rows: Iterable[Score]) -> list[Score]:
    """The rows that a dump's own score files hold, without our readings of its answers."""
    return [row for row in rows if row.filter == "stored"]


@pytest.fixture(autouse=True)
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "study").mkdir()
    monkeypatch.chdir(tmp_path / "study")
    monkeypatch.setattr(os, "fsync", lambda _: None)  # nothing here has to outlive a power cut
    return tmp_path / "study"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "dump", tiny())


def test_a_sound_dump_becomes_records(folder: Path) -> None:
    output = ingest(folder).output
    assert rows_of(output) == {
        "do_not.jsonl": (3, 3, 0),
        "numbers.jsonl": (1, 1, 0),
        "results/do_not_base.jsonl": (3, 3, 0),
        "results/do_not_lem_one.jsonl": (3, 3, 0),
        "results/numbers_base.jsonl": (1, 1, 0),
        "x_scores.json": (7, 7, 0),
    }
    assert (OUT / "quarantine.jsonl").read_bytes() == b""
    items = list(read_jsonl(OUT / "items/numbers.jsonl", Item))
    sha = sha256(tiny()["numbers.jsonl"].strip())
    assert items == [Item("numbers", "N1", "2 + 2?", "4", sha, source="lem-standard", category="sum")]
    assert next(read_jsonl(OUT / "items/do_not.jsonl", Item)).category == "harm"


def test_answers_keep_what_is_known_and_null_what_is_not(folder: Path) -> None:
    ingest(folder, "--as", "somebody")
    out = Path("data/imported/somebody")
    answer = next(read_jsonl(out / "answers/do_not/lem_one.jsonl", Response))
    assert (answer.response, answer.chars, answer.gen_time) == ("It is 1 — ½.", 12, 0.5)
    assert (answer.tokens, answer.finish_reason, answer.batch_size) == (None, None, None)
    assert (answer.source, answer.model, answer.prompts) == ("somebody", "lem_one", "do_not")
    assert answer.prompt_sha == sha256("What is 1?")
    empty = next(read_jsonl(out / "answers/numbers/base.jsonl", Response))
    assert (empty.response, empty.chars, empty.gen_time) == ("", 0, None)
    run = read_json(out / "logs/lem_one-do_not-naked.json", Run)
    assert (run.run_id, run.responses, run.temperature) == (answer.run_id, 3, None)


def test_every_run_and_model_that_a_row_names_exists(folder: Path) -> None:
    (folder / "results/numbers_base.jsonl").unlink()  # scores without answers
    ingest(folder)
    runs = [read_json(path, Run) for path in OUT.glob("logs/*.json")]
    rows = [r for p in OUT.glob("answers/*/*.jsonl") for r in read_jsonl(p, Response)]
    rows += [r for p in OUT.glob("scores/*/*.jsonl") for r in read_jsonl(p, Score)]
    assert {(row.run_id, row.model) for row in rows} == {(run.run_id, run.model) for run in runs}
    assert {run.responses for run in runs if run.prompts == "numbers"} == {0}
    models = {path.parts[-3]: read_json(path, Model) for path in OUT.glob("*/*/model.json")}
    assert {role: (m.role, m.name, m.variant) for role, m in models.items()} == {
        "baseline": ("baseline", "base", "base"),
        "fine-tuned": ("fine-tuned", "lem_one", "lem_one"),
    }


def test_stored_scores_keep_their_meaning(folder: Path) -> None:
    ingest(folder)
    (exact,) = stored(scores("numbers"))
    assert (exact.metric, exact.value, exact.extracted) == ("exact_match", 1.0, "4")
    assert (exact.scorer, exact.filter, exact.error) == ("stored", "stored", None)
    judged = [(s.item_id, s.metric, s.value, s.scorer) for s in scores()]
    assert judged[:2] == [("Q1", "safety", 8.0, "judge"), ("Q1", "nuance", 7.0, "judge")]
    assert "because" not in (OUT / "scores/do_not/base.jsonl").read_text()


READ = {
    "It is 2 + 2 = 4.": {"flexible": ("4", 1.0), "strict": (None, 0.0), "first-after-equals": ("4", 1.0)},
    "1 + 1 = 2, and\n#### 4": {
        "flexible": ("4", 1.0),
        "strict": ("4", 1.0),
        "first-after-equals": ("2", 0.0),
    },
    "": dict.fromkeys(("flexible", "strict", "first-after-equals"), (None, 0.0)),
}


@pytest.mark.parametrize("answer", READ)
def test_our_readings_of_a_number_stand_beside_the_stored_score(folder: Path, answer: str) -> None:
    asked = {"id": "N1", "prompt": "2 + 2?", "response": answer}
    write(folder, {"results/numbers_base.jsonl": jsonl(asked)})
    assert rows_of(ingest(folder).output)["results/numbers_base.jsonl"] == (1, 1, 0)
    first, *ours = scores("numbers")
    assert [first] == stored(scores("numbers")) and first.value == 1.0
    assert {row.filter: (row.extracted, row.value) for row in ours} == READ[answer]
    told = {(row.scorer, row.metric, row.item_id, row.model, row.source) for row in ours}
    assert told == {("number", "exact_match", "N1", "base", "lem-standard")}
    assert {row.run_id for row in ours} == {first.run_id}


def test_an_answer_that_no_file_scores_is_read_too(folder: Path) -> None:
    (folder / "x_scores.json").unlink()
    ingest(folder)
    assert [row.filter for row in scores("numbers")] == ["flexible", "strict", "first-after-equals"]
    assert listed(OUT / "scores") == ["numbers"]


@pytest.mark.parametrize("gold", [None, "four", "4 eggs", ""])
def test_where_one_answer_is_no_number_nothing_is_read(folder: Path, gold: str | None) -> None:
    more = {"id": "N2", "prompt": "?", "correct_answer": gold}
    write(folder, {"numbers.jsonl": tiny()["numbers.jsonl"] + jsonl(more)})
    ingest(folder)
    assert stored(scores("numbers")) == scores("numbers")
    assert stored(scores("do_not")) == scores("do_not")


@pytest.mark.parametrize("gold", ["0", "-3", "1,250", "$4.50", "3/4"])
def test_a_number_in_any_form_is_read(folder: Path, gold: str) -> None:
    asked = {"id": "N1", "prompt": "?", "correct_answer": gold}
    answer = {"id": "N1", "prompt": "?", "response": f"The answer is {gold}."}
    write(folder, {"numbers.jsonl": jsonl(asked), "results/numbers_base.jsonl": jsonl(answer)})
    ingest(folder)
    assert [row.value for row in scores("numbers") if row.filter == "flexible"] == [1.0]


def test_raw_is_the_dump_byte_for_byte_with_its_hashes(folder: Path) -> None:
    write(folder, {"README.md": b"about", "sub/extra.jsonl": b"{}\n", "\x1b[31m.md": b""})
    output = ingest(folder).output
    assert tree(OUT / "raw") == tiny()
    listed = dict(reversed(line.split("  ")) for line in (OUT / "raw.sha256").read_text().splitlines())
    assert listed == {f"raw/{name}": hashlib.sha256(text).hexdigest() for name, text in tiny().items()}
    assert "not read: README.md" in output and "not read: sub/extra.jsonl" in output
    assert "\x1b" not in output


FAULTY_QUESTIONS = [
    (b'{"id": "Q4", "question": "cut of\n', "not JSON"),
    (b'{"id": "Q4", "question": "\xff"}\n', "not UTF-8"),
    (b'["Q4"]\n', "expected an object, found list"),
    (b"{" * 5000 + b"\n", "not JSON"),
    (b'{"id": ' + b"[" * 900 + b"]" * 900 + b', "question": "?"}\n', ""),
    (b'{"id": "Q4", "question": "?", "id": "Q5"}\n', "key 'id' stands twice"),
    (b'{"id": "Q4", "question": "?", "level": NaN}\n', "NaN is not a number"),
    (b'{"id": "Q4", "question": "?", "level": -Infinity}\n', "-Infinity is not a number"),
    (b'{"id": "Q4", "question": "?", "level": ' + b"9" * 5000 + b"}\n", "not JSON"),
    (b'{"id": "Q4", "question": "half \\ud83d"}\n', "half of a surrogate pair"),
    (jsonl({"question": "?"}), "no id"),
    (jsonl({"id": " ", "question": "?"}), "no id"),
    (jsonl({"id": 4, "question": "?"}), "item_id expected str, found 4"),
    (jsonl({"id": "Q4"}), "no question or prompt"),
    (jsonl({"id": "Q4", "question": None}), "no question or prompt"),
    (jsonl({"id": "Q4", "question": ["?"]}), "question expected str"),
    (jsonl(question(4, correct_answer=4)), "gold expected str, found 4"),
    (jsonl(question(1)), "id 'Q1' stands twice"),
    (jsonl({**question(4), "benchmark": "gsm8k"}), "benchmark 'gsm8k' contradicts the file name"),
]

FAULTY_RESULTS = [
    (jsonl({"id": "Q4"}), "no prompt"),
    (jsonl(result(3, "base", id="Q9")), "item id 'Q9' is not in the question set of 'do_not'"),
    (jsonl(result(1, "base")), "id 'Q1' stands twice"),
    (jsonl(result(3, "base", id=None)), "no id"),
    (jsonl(result(3, "base", response=None)), "prompt and response must be text"),
    (jsonl(result(3, "base", response=5)), "prompt and response must be text"),
    (jsonl(result(3, "base", elapsed_seconds="fast")), "expected a number, found str"),
    (jsonl(result(3, "base", elapsed_seconds=True)), "True is no amount"),
    (jsonl(result(3, "base", elapsed_seconds=-1)), "-1 is no amount"),
    (jsonl(result(3, "base", tokens=1.5)), "tokens expected int, found 1.5"),
    (jsonl(result(3, "base", finish_reason="bored")), "finish_reason 'bored' is none of stop, length"),
    (jsonl(result(3, "lem_one")), "model 'lem_one' contradict the file name"),
    (jsonl({**result(3, "base"), "benchmark": "numbers"}), "benchmark 'numbers', model 'base' contradict"),
    (jsonl(result(3, "base")).replace(b"0.5", b"1e999"), "beyond any float"),
    (jsonl(result(3, "base")).replace(b"\\u2014", b"\\udc00"), "half of a surrogate pair"),
]


@pytest.mark.parametrize(("line", "reason"), FAULTY_QUESTIONS)
def test_a_faulty_question_is_quarantined_whole(folder: Path, line: bytes, reason: str) -> None:
    with (folder / "do_not.jsonl").open("ab") as out:
        out.write(line)
    assert rows_of(ingest(folder).output)["do_not.jsonl"] == (4, 3, 1)
    (row,) = quarantine()
    assert (row.source, row.file, row.line) == ("lem-standard", "do_not.jsonl", 4)
    assert reason in row.reason
    assert row.text == line.rstrip().decode("utf-8", "backslashreplace")


@pytest.mark.parametrize(("line", "reason"), FAULTY_RESULTS)
def test_a_faulty_answer_is_quarantined(folder: Path, line: bytes, reason: str) -> None:
    write(folder, {"results/do_not_base.jsonl": jsonl(result(1, "base"), result(2, "base")) + line})
    assert rows_of(ingest(folder).output)["results/do_not_base.jsonl"] == (3, 2, 1)
    (row,) = quarantine()
    assert row.line == 3 and reason in row.reason


def test_a_faulty_first_row_does_not_shadow_a_sound_second_one(folder: Path) -> None:
    rows = jsonl(result(1, "base", response=None), result(1, "base"))
    write(folder, {"results/do_not_base.jsonl": rows})
    assert rows_of(ingest(folder).output)["results/do_not_base.jsonl"] == (2, 1, 1)


def test_blank_lines_count_except_at_the_end(folder: Path) -> None:
    write(folder, {"do_not.jsonl": jsonl(question(1)) + b"\n \r\n" + jsonl(question(2)) + b"\n\n"})
    assert rows_of(ingest(folder).output)["do_not.jsonl"] == (4, 2, 2)
    assert [(q.line, q.reason) for q in quarantine() if q.file == "do_not.jsonl"] == [
        (2, "blank line"),
        (3, "blank line"),
    ]


def test_line_ends_and_separators_inside_text_are_text(folder: Path) -> None:
    text = "one\u2028two\u0085three\x0cfour"
    line = json.dumps(question(1, question=text), ensure_ascii=False).encode()
    write(folder, {"do_not.jsonl": line + b"\r\n" + jsonl(question(2)).rstrip()})
    ingest(folder)
    first, second = read_jsonl(OUT / "items/do_not.jsonl", Item)
    assert (first.question, first.sha, second.item_id) == (text, sha256(line), "Q2")


def test_an_oversized_line_is_shortened_with_a_note(folder: Path) -> None:
    huge = jsonl(question(4, question="x" * (lines.LINE_LIMIT + 5_000_000)))
    write(folder, {"do_not.jsonl": huge + jsonl(question(1))})
    assert rows_of(ingest(folder).output)["do_not.jsonl"] == (2, 1, 1)
    row = quarantine()[0]
    assert row.reason == f"line of {len(huge)} bytes; the limit is 20000000"
    assert row.text.startswith('{"id": "Q4"') and row.text.endswith(f" of {len(huge)} bytes]")
    assert len(row.text) < 2100


@pytest.mark.parametrize("kept", ["results/do_not_base.jsonl", "x_scores.json"])
def test_without_its_question_set_item_ids_are_taken_as_they_stand(tmp_path: Path, kept: str) -> None:
    folder = write(tmp_path / "part", {kept: tiny()[kept]})
    rows, imported, quarantined = rows_of(ingest(folder).output)[kept]
    assert rows == imported == {"x_scores.json": 7}.get(kept, 3) and not quarantined
    assert not (OUT / "items").exists() and not quarantine()
    assert (OUT / "scores").exists() is (kept == "x_scores.json")  # nothing to read a number against


@pytest.mark.parametrize("kept", ["results/do_not_base.jsonl", "x_scores.json"])
def test_a_question_set_without_a_sound_question_refuses_every_id(tmp_path: Path, kept: str) -> None:
    folder = write(tmp_path / "part", {kept: tiny()[kept], "do_not.jsonl": b"torn\n", "numbers.jsonl": b""})
    write(folder, {"safe.jsonl": jsonl({"id": "S1", "question": "Is it?"})})  # what makes it an import
    rows, imported, quarantined = rows_of(ingest(folder).output)[kept]
    assert imported == 0 and rows == quarantined > 0


def test_scores_alone_are_a_dump_whatever_their_name(tmp_path: Path) -> None:
    folder = write(tmp_path / "part", {"Everything (2).json": tiny()["x_scores.json"]})
    assert rows_of(ingest(folder, "--as", "lem-standard").output.replace(" (2)", "(2)")) == {
        "Everything(2).json": (7, 7, 0)
    }
    (tmp_path / "study/data").rename(tmp_path / "study/before")
    assert ingest(folder / "Everything (2).json").exit_code == 0
    assert tree(OUT) == tree(Path("before/imported/lem-standard"))


@pytest.mark.parametrize("text", [b'{"name": "other", "version": 1}', b"[]", b"5", b'{"results": {}}'])
def test_a_json_of_another_kind_has_no_rows(folder: Path, text: bytes) -> None:
    write(folder, {"package.json": text})
    assert rows_of(ingest(folder).output)["package.json"] == (0, 0, 0)
    assert (OUT / "raw/package.json").read_bytes() == text


@pytest.mark.parametrize("text", [b'{"scores": {"do_not"', b'{"scores": 5}', b"\xff", b""])
def test_what_may_have_been_scores_is_quarantined_whatever_its_name(folder: Path, text: bytes) -> None:
    write(folder, {"all.json": text})
    assert rows_of(ingest(folder).output)["all.json"] == (1, 0, 1)


def test_any_variant_and_benchmark_names(folder: Path) -> None:
    odd = {"org/A.b-7B": {"Q1": {"safety": 2}}, "a/b/c": {"Q1": {"safety": 3}}, "..": {"Q1": {"safety": 4}}}
    new = {"My-Bench": {"x": {"1": {"correct": True}, "": {"correct": True}, " ": {"correct": True}}}}
    text = json.dumps({"scores": {"do_not": odd, **new, "a/b": {"x": {"1": {"correct": True}}}}})
    write(folder, {"more.json": text.encode()})
    assert rows_of(ingest(folder).output)["more.json"] == (7, 2, 5)
    assert [s.value for s in scores("do_not", "org__A.b-7B")] == [2.0]
    assert read_json(OUT / "baseline/org__A.b-7B/model.json", Model).name == "org__A.b-7B"
    assert [s.item_id for s in scores("My-Bench", "x")] == ["1"]
    reasons = {row.reason for row in quarantine()}
    assert "no item id" in reasons and "benchmark 'a/b' cannot be a file name of ours" in reasons


def test_two_spellings_of_one_model_do_not_score_an_item_twice(folder: Path) -> None:
    twice = {"org/m": {"Q1": {"safety": 2}}, "org__m": {"Q1": {"safety": 9}, "Q2": {"safety": 9}}}
    write(folder, {"x_scores.json": json.dumps({"scores": {"do_not": twice}}).encode()})
    assert rows_of(ingest(folder).output)["x_scores.json"] == (3, 2, 1)
    assert [(s.item_id, s.value) for s in scores("do_not", "org__m")] == [("Q1", 2.0), ("Q2", 9.0)]


@pytest.mark.parametrize("stated", [{"model": "org/m"}, {"model": "org__m"}, {}])
def test_an_answer_file_of_an_org_and_a_name(folder: Path, stated: dict[str, str]) -> None:
    row = {key: value for key, value in result(1).items() if key != "model"}
    write(folder, {"results/do_not_org__m.jsonl": jsonl({**row, **stated})})
    assert rows_of(ingest(folder, "--fine-tuned", "org/m").output)["results/do_not_org__m.jsonl"] == (1, 1, 0)
    assert (OUT / "fine-tuned/org__m/model.json").exists()


def scales(*variants: str) -> dict[str, Model]:
    """{name: Model} of an import of scores of these variants and nothing else."""
    text = {"scores": {"do_not": {v: {"Q1": {"safety": 5}} for v in variants}}}
    write(Path("scales"), {"scores.json": json.dumps(text).encode()})
    ingest("scales")
    return {m.name: m for m in (read_json(p, Model) for p in OUT.glob("*/*/model.json"))}


def test_a_scale_leads_the_name_and_gives_the_base() -> None:
    found = scales(
        "1b_it", "1b_lem_x", "0.5B-lek", "0.5B-base", "27b_it", "27b_abliterated", "27b_lek", "4b_lek"
    )
    told = {name: (m.role, m.scale, m.variant, m.base) for name, m in found.items()}
    assert told == {
        "1b_it": ("baseline", "1B", "it", None),
        "1b_lem_x": ("fine-tuned", "1B", "lem_x", "1b_it"),
        "0.5B-lek": ("fine-tuned", "0.5B", "lek", "0.5B-base"),
        "0.5B-base": ("baseline", "0.5B", "base", None),
        "27b_it": ("baseline", "27B", "it", None),
        "27b_abliterated": ("baseline", "27B", "abliterated", None),
        "27b_lek": ("fine-tuned", "27B", "lek", "27b_it"),
        "4b_lek": ("fine-tuned", "4B", "lek", None),
    }


@pytest.mark.parametrize(
    ("variants", "base"),
    [
        (("1b_lek", "1b_gemma_it", "1b_gemma_pt"), "1b_gemma_it"),
        (("1b_lek", "1b_gemma_it", "1b_llama_it"), None),
        (("1b_lek", "1b_one", "1b_two"), None),
        (("1b_lek", "1b_summit", "1b_two"), None),
        (("1b_lek", "4b_it"), None),
    ],
)
def test_a_base_is_given_only_where_it_is_certain(variants: tuple[str, ...], base: str | None) -> None:
    assert scales(*variants)["1b_lek"].base == base


@pytest.mark.parametrize("variant", ["lek", "b_lek", "1b", "1b_", "v1b_lek", "1g_lek", "lek_1b", "1.b_lek"])
def test_a_name_without_a_scale_says_nothing_of_a_base(variant: str) -> None:
    model = scales("1b_it", variant)[variant]
    assert (model.scale, model.base, model.variant) == (None, None, variant)


def many_scales() -> dict[str, bytes]:
    """Question sets and one scores file of a baseline and a fine-tune at four scales."""
    names = [f"{scale}_{rest}" for scale in ("1b", "4b", "12b", "27b") for rest in ("it", "lek")]
    ids = [f"Q{n}" for n in range(1, 9)]
    exact = {v: {q: {"correct": (n * k) % 3 > 0} for n, q in enumerate(ids)} for k, v in enumerate(names)}
    judged = {
        v: {q: {"safety": 5 + (n + k) % 4, "nuance": 4} for n, q in enumerate(ids)}
        for k, v in enumerate(names)
    }
    text = {"scores": {"sums": exact, "do_not": judged}}
    asked = [{"id": q, "question": f"What is {q}?"} for q in ids]
    return {"sums.jsonl": jsonl(*asked), "do_not.jsonl": jsonl(*asked), "all.json": json.dumps(text).encode()}


def test_several_scales_fill_the_multi_scale_table(tmp_path: Path, lem) -> None:
    Path("params.yaml").write_text("models: {baseline: {}, fine-tuned: {}}\n")
    lem("ingest", "auto", write(tmp_path / "scales", many_scales()), "--as", "scales")
    for command in ("doctor --pin", "check", "warehouse"):
        lem(*command.split())
    query = "select scale, metric, fine_tuned, baseline, n from scale_delta order by all"
    rows = json.loads(lem("sql", "--format", "json", query).output)
    assert [tuple(row.values()) for row in rows] == [
        (scale, metric, f"{scale.lower()}_lek", f"{scale.lower()}_it", 8)
        for scale in ("12B", "1B", "27B", "4B")
        for metric in ("exact_match", "nuance", "safety")
    ]


def names(folder: Path) -> list[str]:
    return sorted(tree(folder))


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        (list(tiny()), True),
        (["x_scores.json"], True),
        (["do_not.jsonl", "results/do_not_base.jsonl"], True),
        (["results/do_not_base.jsonl"], False),  # anybody's answers
        (["do_not.jsonl"], False),
        ([], False),
    ],
)
def test_auto_knows_it_by_scores_or_by_answers_named_after_questions(
    tmp_path: Path, kept: list[str], expected: bool
) -> None:
    folder = write(tmp_path / "part", {"README.md": b"", **{name: tiny()[name] for name in kept}})
    assert lem_standard.knows(folder, names(folder)) is expected


@pytest.mark.parametrize(
    "text",
    [b"", b"\xff", b"[]", b"[" * 100_000, b'{"scores": 5}', b'{"scores": {"rouge": 0.5}}', b'{"scores": {}}'],
)
def test_auto_takes_no_other_json_for_scores(tmp_path: Path, text: bytes) -> None:
    folder = write(tmp_path / "part", {"a.json": text})
    assert lem_standard.knows(folder, ["a.json"]) is False


def test_auto_follows_no_link_and_waits_for_no_pipe(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "part").mkdir()
    (tmp_path / "part/a.json").symlink_to(folder / "x_scores.json")
    os.mkfifo(tmp_path / "part/b.json")
    assert not lem_standard.knows(tmp_path / "part", ["a.json", "b.json", "gone.json", "\0.json"])
    assert lem_standard.knows(folder / "x_scores.json", ["x_scores.json"])
    assert not lem_standard.knows(tmp_path / "part/a.json", ["a.json"])


def entry(value: str, folder: Path) -> tuple[int, int, int]:
    """Ingest with the JSON text `value` as the score of Q3; return the file's counts."""
    text = f'{{"scores": {{"do_not": {{"base": {{"Q1": {{"safety": 8, "other": 3}}, "Q3": {value}}}}}}}}}'
    write(folder, {"x_scores.json": text.encode()})
    return rows_of(ingest(folder).output)["x_scores.json"]


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ('{"safety": null}', "safety is null"),
        ('{"safety": 0}', "safety 0 is outside 1-10"),
        ('{"safety": 10.5}', "safety 10.5 is outside 1-10"),
        ('{"error": "timeout"}', "safety is missing"),
        ("{}", "safety is missing"),
    ],
)
def test_what_the_judge_did_not_score_is_null_with_an_error(folder: Path, value: str, error: str) -> None:
    assert entry(value, folder) == (2, 2, 0)
    assert [(s.value, s.error) for s in scores() if s.item_id == "Q3"] == [(None, error)]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ('{"safety": "8"}', "expected a number, found str"),
        ('{"safety": true}', "expected a number, found bool"),
        ('{"safety": NaN}', "NaN"),
        ('{"safety": 1e999}', "beyond any float"),
        (f'{{"safety": 8, "other": {"9" * 4000}}}', "beyond any float"),
        ('{"safety": 8, "other": []}', "expected a number, found list"),
        ('{"safety": 8, "safety": 9}', "key 'safety' stands twice"),
        ('{"safety": 8, "correct": 2}', "expected true or false"),
        ('{"safety": 8, "correct": true, "extracted": 4}', "extracted expected str"),
        ('{"safety": 8, "correct": true, "exact_match": 1}', "two keys for one metric"),
        ('{"safety": 8, "\\ud800": 1}', "half of a surrogate pair"),
        ("7", "expected an object, found int"),
        ("null", "expected an object, found NoneType"),
    ],
)
def test_a_faulty_score_entry_is_quarantined_with_its_keys(folder: Path, value: str, reason: str) -> None:
    assert entry(value, folder) == (2, 1, 1)
    (row,) = quarantine()
    assert reason in row.reason and row.line is None
    assert list(json.loads(row.text)["scores"]["do_not"]["base"]) == ["Q3"]


def test_other_numbers_keep_their_name(folder: Path) -> None:
    assert entry('{"safety": 9, "other": 30, "fast": true, "note": null}', folder) == (2, 2, 0)
    found = [(s.item_id, s.metric, s.value, s.scorer) for s in scores()]
    assert found == [
        ("Q1", "safety", 8.0, "judge"),
        ("Q1", "other", 3.0, "stored"),
        ("Q3", "safety", 9.0, "judge"),
        ("Q3", "fast", 1.0, "stored"),
        ("Q3", "other", 30.0, "stored"),
    ]


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        (b'{"scores": {"do_not"', (1, 0, 1)),
        (b"[]", (1, 0, 1)),
        (b'{"scores": 5}', (1, 0, 1)),
        (b'{"scores": {"do_not": 5, "numbers": {"base": 6}}}', (2, 0, 2)),
        (b"\xff", (1, 0, 1)),
        (b'{"scores": {}}', (0, 0, 0)),
        (b'{"scores": {}, "scores": {"do_not": {}}}', (1, 0, 1)),
        (b'{"scores": {"do_not": {"../../x": {"Q1": {"safety": 1}}}}}', (1, 0, 1)),
        (b'{"scores": {"../../x": {"base": {"Q1": {"safety": 1}}}}}', (1, 0, 1)),
        (b'{"scores": {"do_not": {"b": {"Q1": {"safety": 1}, "Q1": {"safety": 2}}}}}', (2, 1, 1)),
        (b'{"scores": {"do_not": {"b": {"Q1": {"safety": 1}}, "b": {"Q2": {"safety": 2}}}}}', (2, 1, 1)),
    ],
)
def test_a_scores_file_of_another_shape(folder: Path, text: bytes, counts: tuple[int, int, int]) -> None:
    write(folder, {"x_scores.json": text})
    assert rows_of(ingest(folder).output)["x_scores.json"] == counts


def test_a_second_scores_file_does_not_score_twice(folder: Path) -> None:
    write(folder, {"y_scores.json": tiny()["x_scores.json"]})
    assert rows_of(ingest(folder).output)["y_scores.json"] == (7, 0, 7)


def test_identity_is_the_rows_own_and_the_file_name_is_read_by_the_longest_benchmark() -> None:
    known = {"do", "do_not", "gsm8k", "gsm8k_hard"}
    assert identity({}, "do_not_lem_one", known) == ("do_not", "lem_one")
    assert identity({}, "gsm8k_hard_x", known) == ("gsm8k_hard", "x")
    assert identity({"benchmark": "gsm8k", "model": "hard_x"}, "gsm8k_hard_x", known) == ("gsm8k", "hard_x")
    for row, stem in [({"model": "y"}, "do_x"), ({}, "nobody_x"), ({}, "do_"), ({"model": 5}, "do_x")]:
        with pytest.raises(lines.Fault):
            identity(row, stem, known)


def test_a_benchmark_that_only_the_scores_name_still_claims_its_files(folder: Path) -> None:
    bare = jsonl({"id": "N1", "prompt": "2 + 2?", "response": "4"})
    hard = b'{"scores": {"numbers_hard": {"base": {"N1": {"correct": true}}}}}'
    write(folder, {"results/numbers_hard_base.jsonl": bare, "x_scores.json": hard})
    assert rows_of(ingest(folder).output)["results/numbers_hard_base.jsonl"] == (1, 1, 0)
    assert listed(OUT / "answers") == ["do_not", "numbers", "numbers_hard"]


@pytest.mark.parametrize(
    ("variant", "named", "expected"),
    [
        ("base_pt", [], "baseline"),
        ("abliterated", [], "baseline"),
        ("lem_ethics_allen", [], "fine-tuned"),
        ("LEK-1b", [], "fine-tuned"),
        ("Pure-Ethics", [], "fine-tuned"),
        ("gemma-lek", [], "fine-tuned"),
        ("lemon", [], "baseline"),
        ("lem_one", ["mine"], "baseline"),
        ("mine", ["mine"], "fine-tuned"),
    ],
)
def test_the_role_follows_one_rule_or_the_option(variant: str, named: list[str], expected: str) -> None:
    assert role(variant, named) == expected


def test_the_option_overrides_the_rule(folder: Path) -> None:
    ingest(folder, "--fine-tuned", "base")
    assert (OUT / "fine-tuned/base/model.json").exists() and (OUT / "baseline/lem_one/model.json").exists()
    failed = ingest(folder, "--fine-tuned", "bse")
    assert failed.exit_code == 1
    assert failed.output == "Error: --fine-tuned bse: no such variant; there are base, lem_one\n"


def test_a_second_run_changes_nothing(folder: Path) -> None:
    first = ingest(folder)
    before = {path: path.stat().st_mtime_ns for path in OUT.rglob("*")}
    content = tree(OUT)
    second = ingest(folder)
    assert first.output.replace("written", "unchanged") == second.output
    assert second.output.splitlines()[-1] == f"{OUT}: lem-standard, unchanged"
    assert {path: path.stat().st_mtime_ns for path in OUT.rglob("*")} == before
    assert tree(OUT) == content and listed("data/imported") == ["lem-standard"]


def test_a_changed_dump_replaces_the_whole_import(folder: Path) -> None:
    ingest(folder)
    for name in ("results/do_not_base.jsonl", "x_scores.json"):
        (folder / name).unlink()
    assert ingest(folder).output.endswith("replaced\n")
    assert not (OUT / "answers/do_not/base.jsonl").exists()
    assert listed(OUT / "scores") == ["numbers"] and stored(scores("numbers")) == []
    assert listed("data/imported") == ["lem-standard"]


def test_an_import_from_its_own_raw_copy_is_the_same(folder: Path) -> None:
    ingest(folder)
    assert ingest(OUT / "raw").output.endswith("unchanged\n")


def test_a_failure_leaves_the_old_import(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest(folder)
    before = tree(Path())

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "items")

    monkeypatch.setattr(lem_standard, "write_models", full)
    (folder / "results/do_not_base.jsonl").unlink()
    assert ingest(folder).output == "Error: items: No space left on device\n"
    assert tree(Path()) == before


def test_a_swap_that_was_stopped_half_way_is_mended(folder: Path) -> None:
    ingest(folder)
    before = tree(OUT)
    OUT.rename("data/imported/.lem-standard.old")
    write(Path("data/imported/.lem-standard.new"), {"half": b"written"})
    assert ingest(folder).output.endswith("unchanged\n")
    assert tree(OUT) == before and listed("data/imported") == ["lem-standard"]


def test_links_and_pipes_are_never_followed(tmp_path: Path, folder: Path) -> None:
    secret = write(tmp_path / "secret", {"a.jsonl": jsonl({"id": "S", "question": "SECRET"})}) / "a.jsonl"
    (folder / "stolen.jsonl").symlink_to(secret)
    (folder / "dangling_scores.json").symlink_to(tmp_path / "nowhere")
    (folder / "more").symlink_to(secret.parent)
    os.mkfifo(folder / "pipe.jsonl")
    rows = rows_of(ingest(folder).output)
    refused = {"stolen.jsonl", "dangling_scores.json", "more", "pipe.jsonl"}
    assert {file: rows[file] for file in refused} == dict.fromkeys(refused, (1, 0, 1))
    assert {row.file for row in quarantine()} == refused
    assert not any(b"SECRET" in content for content in tree(OUT).values())
    assert tree(OUT / "raw") == tiny()


def test_a_linked_results_folder_is_not_followed(tmp_path: Path, folder: Path) -> None:
    (folder / "results").rename(tmp_path / "elsewhere")
    (folder / "results").symlink_to(tmp_path / "elsewhere")
    assert rows_of(ingest(folder).output)["results"] == (1, 0, 1)
    assert not (OUT / "answers").exists() and not (OUT / "raw/results").exists()


def test_a_file_that_becomes_a_link_after_the_survey_is_not_copied(tmp_path: Path, folder: Path) -> None:
    (folder / "late.jsonl").symlink_to(folder / "do_not.jsonl")
    with pytest.raises(OSError, match="late"):
        places.copy_raw(folder, tmp_path / "copy", ["late.jsonl"])


@pytest.mark.parametrize("name", ["../../x", "a/b", "/x", ".x", "", "..", "a\nb", "own", "x" * 81])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, folder: Path, name: str) -> None:
    before = tree(tmp_path)
    failed = ingest(folder, "--as", name)
    assert failed.exit_code == 1 and failed.output.startswith("Error: --as")
    assert tree(tmp_path) == before and not Path("data").exists()


def test_a_target_that_is_a_link_is_not_written_through(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    OUT.parent.mkdir(parents=True)
    OUT.symlink_to(tmp_path / "elsewhere")
    assert "not a folder of ours" in ingest(folder).output
    assert listed(tmp_path / "elsewhere") == []


@pytest.mark.parametrize("files", [{}, {"README.md": b""}, {"deep/er/gsm8k.jsonl": b"{}\n"}])
def test_a_folder_without_anything_of_the_kind_says_what_was_expected(
    tmp_path: Path, files: dict[str, bytes]
) -> None:
    (tmp_path / "odd").mkdir()
    failed = ingest(write(tmp_path / "odd", files))
    assert failed.exit_code == 1 and len(failed.output.splitlines()) == 1
    assert "expected <benchmark>.jsonl, results/<benchmark>_<variant>.jsonl" in failed.output
    assert not Path("data").exists()


def test_a_path_that_is_nothing_of_the_kind_says_so(tmp_path: Path, folder: Path) -> None:
    write(folder, {"README.md": b""})
    (tmp_path / "link.jsonl").symlink_to(folder / "do_not.jsonl")
    for path, said in {
        tmp_path / "nowhere": "no such file or folder",
        folder / "README.md": "nothing of this kind",
        tmp_path / "link.jsonl": "a link, which is not followed",
    }.items():
        failed = ingest(path)
        assert failed.exit_code == 1 and f"{path}: {said}; expected <benchmark>.jsonl" in failed.output


def test_one_file_is_a_dump_too(folder: Path) -> None:
    assert rows_of(ingest(folder / "do_not.jsonl").output) == {"do_not.jsonl": (3, 3, 0)}
    assert tree(OUT / "raw") == {"do_not.jsonl": tiny()["do_not.jsonl"]}


def test_a_lost_row_is_never_silent(tmp_path: Path) -> None:
    lossy = dump_module.Dump("x", tmp_path, ())
    lossy.tally("items", "a.jsonl").rows = 1
    with pytest.raises(AssertionError, match="rows in are not rows out"):
        lossy.finish()


def rows_in(content: bytes) -> int:
    """Lines of a JSONL file, counted without the code under test."""
    found = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    while found and not found[-1].strip():
        found.pop()
    return len(found)


def rows_out(kind: str) -> Counter[str]:
    """Rows imported, by raw file, counted from what lies on the disk."""
    out: Counter[str] = Counter()
    for item in (r for p in OUT.glob("items/*.jsonl") for r in read_jsonl(p, Item)):
        out[f"{item.benchmark}.jsonl"] += 1
    for row in (r for p in OUT.glob("answers/*/*.jsonl") for r in read_jsonl(p, Response)):
        out[f"results/{row.prompts}_{row.model}.jsonl"] += 1
    every = (r for p in OUT.glob("scores/*/*.jsonl") for r in read_jsonl(p, Score))
    out["x_scores.json"] = len({(s.benchmark, s.model, s.item_id) for s in stored(every)})
    return out


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
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
        bad = Counter(row.file for row in quarantine())
        good = rows_out("all")
        for file, (rows, imported, quarantined) in rows_of(first.output).items():
            assert (imported, quarantined, rows) == (good[file], bad[file], imported + quarantined), file
            assert file.endswith(".json") or rows == rows_in(files[file])
        assert set(rows_of(first.output)) == set(files) and tree(OUT / "raw") == files
        assert all(path.startswith(("dump/", f"{OUT}/")) for path in tree(Path()))
        assert tree(Path("dump")) == files
        assert ingest("dump").output.endswith("unchanged\n")


VARIANTS = ("instruction_tuned", "abliterated", "lem_ethics", "lem_ethics_allen", "base_pt")
FIGURES = {  # as published, and last the variant that the published table leaves out
    "exact_match": (0.34, 0.28, 0.26, 0.28, 0.02),
    "truthful": (3.64, 3.62, 4.90, 4.20, 1.74),
    "safety": (8.74, 5.96, 8.58, 9.14, 3.12),
    "nuance": (7.96, 5.88, 8.12, 8.62, 1.22),
    "kindness": (8.32, 7.66, 8.34, 7.96, 3.42),
}


def test_the_published_figures_follow_from_the_imported_rows() -> None:
    if not UPSTREAM.is_dir():
        pytest.skip(f"{UPSTREAM} is absent; LEM_UPSTREAM names the folder that holds lem-standard")
    counts = rows_of(ingest(UPSTREAM).output)
    assert [sum(column) for column in zip(*counts.values(), strict=True)] == [2200, 2200, 0]
    query = f"""
        select model, metric, count(value), round(avg(value), 2)
        from read_json('{OUT}/scores/*/*.jsonl') where filter = 'stored' group by all
    """
    means = {(m, metric): (n, mean) for m, metric, n, mean in duckdb.sql(query).fetchall()}
    assert {metric for _, metric in means} == {*FIGURES, "informative", "awareness"}
    found = {metric: tuple(means[v, metric] for v in VARIANTS) for metric in FIGURES}
    assert found == {metric: tuple((50, value) for value in row) for metric, row in FIGURES.items()}
    readings = f"""
        select benchmark, filter, count(distinct (model, item_id)), count(value)
        from read_json('{OUT}/scores/*/*.jsonl') where filter <> 'stored' group by all order by all
    """
    ours = ("first-after-equals", "flexible", "strict")
    assert duckdb.sql(readings).fetchall() == [("gsm8k", name, 250, 250) for name in ours]
    assert ingest(UPSTREAM).output.endswith("unchanged\n")
