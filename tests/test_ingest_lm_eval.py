"""`lem ingest lm-eval`: figures and rows of lm-evaluation-harness, joined by one set of names."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings

from lem import checks, layout
from lem.cli import main
from lem.ingest import kinds, lm_eval
from lem.ingest.lines import Object
from lem.ingest.lm_eval.runs import Results, made_nameable, weights
from lem.record_files import read_json, read_jsonl, sha256
from lem.records import Figure, Item, Model, Note, Quarantined, Response, Run, Score
from lem.rules import KEYS, RECORDS
from mutations import dumps

OUT = Path("data/imported/lm-eval")
TIME = "2026-02-15T04-48-00.777972"
FOLDER = "org__tiny-7b"
REPORT = f"{FOLDER}/results_{TIME}.json"
PICK = f"{FOLDER}/samples_pick_{TIME}.jsonl"
SUMS = f"{FOLDER}/samples_sums_{TIME}.jsonl"
COLOURS = ("red", "green", "blue")
Change = Callable[[dict[str, Any]], object]


def jsonl(*rows: object) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def hashed(row: dict[str, Any]) -> dict[str, Any]:
    """The row with lm_eval's hashes of it."""
    context = row["arguments"]["gen_args_0"]["arg_0"]
    about = {
        "doc_hash": json.dumps(row["doc"], indent=2),
        "prompt_hash": context,
        "target_hash": row["target"],
    }
    return {**row, **{name: sha256(text) for name, text in about.items()}}


def pick(n: int, **more: object) -> dict[str, Any]:
    """A row of a multiple-choice task; the model likes the first choice best."""
    context = f"Question: colour {n}?\nAnswer:"
    row = {
        "doc_id": n,
        "doc": {"question": f"colour {n}?", "choices": list(COLOURS), "answer": n % 3},
        "target": str(n % 3),
        "arguments": {
            f"gen_args_{i}": {"arg_0": context, "arg_1": f" {text}"} for i, text in enumerate(COLOURS)
        },
        "resps": [[[str(-1.5 - i), "False"]] for i in range(3)],
        "filtered_resps": [[str(-1.5 - i), "False"] for i in range(3)],
        "filter": "none",
        "metrics": ["acc", "acc_norm"],
        "acc": float(n % 3 == 0),
        "acc_norm": float(n % 3 == 0),
    }
    return {**hashed(row), **more}


def total(n: int, reading: str, **more: object) -> dict[str, Any]:
    """A row of a generating task, read by one of its filters: strict finds nothing in an odd row."""
    found = str(2 * n) if reading == "flexible-extract" or n % 2 == 0 else "[invalid]"
    row = {
        "doc_id": n,
        "doc": {"query": f"{n} + {n}?", "subject": "sums"},
        "target": str(2 * n),
        "arguments": {"gen_args_0": {"arg_0": f"Q: {n} + {n}?\nA:", "arg_1": {"until": ["\n"]}}},
        "resps": [[f" It is {2 * n}"]],
        "filtered_resps": [found],
        "filter": reading,
        "metrics": ["exact_match"],
        "exact_match": float(found == str(2 * n)),
    }
    return {**hashed(row), **more}


READINGS = ("strict-match", "flexible-extract")


def task_hash(rows: list[dict[str, Any]]) -> str:
    return sha256("".join(row["doc_hash"] + row["prompt_hash"] + row["target_hash"] for row in rows))


def picks() -> list[dict[str, Any]]:
    return [pick(n) for n in range(4)]


def totals() -> list[dict[str, Any]]:
    return [total(n, reading) for reading in READINGS for n in range(4)]


def document(pretrained: str = "org/tiny-7b") -> dict[str, Any]:
    """A results file that the rows bear out: 4 of 10 picks asked, all 4 sums, and a group over both."""
    group = {
        "alias": "both",
        "acc,none": 0.5,
        "acc_stderr,none": "N/A",
        "sample_count": {"acc,none": 4},
    }
    return {
        "results": {
            "pick": {
                "alias": "pick",
                "sample_len": 4,
                "acc,none": 0.5,
                "acc_stderr,none": 0.288675,
                "acc_norm,none": 0.5,
                "acc_norm_stderr,none": 0.288675,
            },
            "sums": {
                "alias": "sums",
                "exact_match,strict-match": 0.5,
                "exact_match_stderr,strict-match": 0.288675,
                "exact_match,flexible-extract": 1.0,
                "exact_match_stderr,flexible-extract": 0.0,
            },
            "both": group,
        },
        "groups": {"both": dict(group)},
        "group_subtasks": {"both": ["pick", "sums"]},
        "configs": {
            "pick": {"task": "pick", "metric_list": [{"metric": "acc", "aggregation": "mean"}]},
            "sums": {"task": "sums", "generation_kwargs": {"do_sample": False, "max_gen_toks": 64}},
        },
        "versions": {"pick": 1.0, "sums": 3.0, "both": "2.0"},
        "n-shot": {"pick": 5, "sums": 0},
        "higher_is_better": {"pick": {"acc": True, "acc_norm": True}, "sums": {"exact_match": True}},
        "n-samples": {"pick": {"original": 10, "effective": 4}, "sums": {"original": 4, "effective": 4}},
        "config": {
            "model": "hf",
            "model_args": f"pretrained={pretrained},dtype=float32",
            "batch_size": 8,
            "device": "cpu",
            "limit": 4,
            "random_seed": 0,
            "numpy_seed": 1234,
        },
        "git_hash": "abc1234",
        "date": 1.5,
        "lm_eval_version": "0.4.13",
        "task_hashes": {"pick": task_hash(picks()), "sums": task_hash(totals())},
        "model_name": pretrained,
        "chat_template": "{{ messages }}",
        "chat_template_sha": sha256("{{ messages }}"),
    }


def tiny() -> dict[str, bytes]:
    """A dump without a fault."""
    whole = json.dumps(document(), indent=2).encode()
    return {REPORT: whole, PICK: jsonl(*picks()), SUMS: jsonl(*totals())}


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def lem(*words: str) -> Result:
    """Run a command; only LemError (one line, exit 1) and usage errors may stop it."""
    result = CliRunner().invoke(main, list(words))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


def ingest(folder: Path | str, *options: str) -> Result:
    return lem("ingest", "lm-eval", str(folder), *options)


def rows_of(output: str) -> dict[str, tuple[int, int, int]]:
    """{file: (rows, imported, quarantined)} of the printed table, its sum as 'total'."""
    lines = [line.split() for line in output.splitlines()[1:]]
    table = [line for line in lines if len(line) > 3 and line[-3:] == [n for n in line[-3:] if n.isdigit()]]
    return {row[-4]: (int(row[-3]), int(row[-2]), int(row[-1])) for row in table}


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def figures() -> list[Figure]:
    return [row for path in sorted(OUT.glob("figures/*.jsonl")) for row in read_jsonl(path, Figure)]


def scores(task: str, model: str = "tiny-7b") -> list[Score]:
    return list(read_jsonl(OUT / f"scores/{task}/{model}.jsonl", Score))


def answers(task: str, model: str = "tiny-7b") -> list[Response]:
    return list(read_jsonl(OUT / f"answers/{task}/{model}.jsonl", Response))


def items(task: str) -> list[Item]:
    return list(read_jsonl(OUT / f"items/{task}.jsonl", Item))


def quarantine() -> list[Quarantined]:
    return list(read_jsonl(OUT / "quarantine.jsonl", Quarantined))


def notes() -> list[Note]:
    path = OUT / "notes.jsonl"
    return list(read_jsonl(path, Note)) if path.exists() else []


@pytest.fixture(autouse=True)
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "study").mkdir()
    monkeypatch.chdir(tmp_path / "study")
    monkeypatch.setattr(os, "fsync", lambda _: None)  # nothing here has to outlive a power cut
    monkeypatch.setitem(kinds.KINDS, "lm-eval", lm_eval.KIND)
    return tmp_path / "study"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "dump", tiny())


def changed(folder: Path, change: Change) -> tuple[int, int, int]:
    """Ingest with the results file changed; return its counts."""
    whole = document()
    change(whole)
    write(folder, {REPORT: json.dumps(whole).encode()})
    return rows_of(ingest(folder).output)[REPORT]


def with_row(folder: Path, line: bytes, file: str = PICK) -> tuple[int, int, int]:
    """Ingest with one more line in a samples file; return its counts."""
    write(folder, {file: tiny()[file] + line})
    return rows_of(ingest(folder).output)[file]


def test_a_sound_dump_has_neither_notes_nor_quarantine(folder: Path) -> None:
    output = ingest(folder).output
    expected = {REPORT: (5, 5, 0), PICK: (4, 4, 0), SUMS: (8, 8, 0), "total": (17, 17, 0)}
    assert rows_of(output) == expected
    assert quarantine() == [] and notes() == []
    assert tree(OUT / "raw") == tiny()
    _, failures = checks.check()
    assert failures == []


def test_a_figure_keeps_what_is_stated_of_it(folder: Path) -> None:
    ingest(folder)
    acc, _, strict, flexible, group = figures()
    assert (acc.model, acc.benchmark, acc.metric, acc.filter) == ("tiny-7b", "pick", "acc", "none")
    assert (acc.value, acc.unit, acc.error, acc.stderr) == (0.5, "rate", None, 0.288675)
    assert (acc.n, acc.limited, acc.task_version, acc.higher_is_better) == (4, True, "1", True)
    assert (acc.document, acc.place, acc.regime) == (REPORT, "results.pick", "direct")
    assert (strict.filter, strict.value, strict.limited) == ("strict-match", 0.5, False)
    assert (flexible.filter, flexible.value) == ("flexible-extract", 1.0)
    assert (group.benchmark, group.n, group.stderr, group.limited) == ("both", 4, None, True)
    told = json.loads(acc.settings or "")
    assert told["task_hash"] == task_hash(picks()) and told["n-shot"] == 5 and told["aggregation"] == "mean"
    assert told["limit"] == 4 and told["numpy_seed"] == 1234 and told["git_hash"] == "abc1234"
    assert told["model_args"] == "pretrained=org/tiny-7b,dtype=float32"
    assert "date" not in told and None not in told.values()


def test_a_choice_is_a_given_answer(folder: Path) -> None:
    ingest(folder)
    given = [row for row in answers("pick") if row.seed_id == "1"]
    assert [(row.sample, row.response, row.logprob) for row in given] == [
        (0, "red", -1.5),
        (1, "green", -2.5),
        (2, "blue", -3.5),
    ]
    assert {(row.finish_reason, row.prompt_sha) for row in given} == {("given", pick(1)["prompt_hash"])}
    item = items("pick")[1]
    assert (item.item_id, item.question, item.gold) == ("1", "colour 1?", "green")
    assert item.choices == [("green", True), ("red", False), ("blue", False)]
    assert [(s.item_id, s.metric, s.value, s.filter, s.scorer) for s in scores("pick")][:3] == [
        ("0", "acc", 1.0, "none", "lm-eval"),
        ("0", "acc_norm", 1.0, "none", "lm-eval"),
        ("1", "acc", 0.0, "none", "lm-eval"),
    ]


def test_two_filters_read_one_answer(folder: Path) -> None:
    ingest(folder)
    assert [(row.seed_id, row.response) for row in answers("sums")] == [
        (str(n), f" It is {2 * n}") for n in range(4)
    ]
    assert {(row.finish_reason, row.logprob) for row in answers("sums")} == {(None, None)}
    read = [(s.item_id, s.filter, s.value, s.extracted) for s in scores("sums") if s.item_id == "1"]
    assert read == [("1", "strict-match", 0.0, "[invalid]"), ("1", "flexible-extract", 1.0, "2")]
    item = items("sums")[1]
    assert (item.question, item.gold, item.category, item.choices) == ("1 + 1?", "2", "sums", [])
    assert {s.task_version for s in scores("sums")} == {"3"}


FILTER = "coalesce(filter, 'none') as filter"


def test_figures_and_scores_join_and_agree(folder: Path) -> None:
    ingest(folder)
    query = f"""
        with figures as (select * replace ({FILTER}) from read_json('{OUT}/figures/*')),
        scores as (select * replace ({FILTER}) from read_json('{OUT}/scores/*/*'))
        select benchmark, metric, filter, any_value(f.value), avg(s.value), any_value(n), count(*)
        from figures as f
        join scores as s using (model, benchmark, metric, filter, task_version)
        group by all order by all
    """
    with duckdb.connect() as con:
        joined = con.execute(query).fetchall()
    assert joined == [
        ("pick", "acc", "none", 0.5, 0.5, 4, 4),
        ("pick", "acc_norm", "none", 0.5, 0.5, 4, 4),
        ("sums", "exact_match", "flexible-extract", 1.0, 1.0, 4, 4),
        ("sums", "exact_match", "strict-match", 0.5, 0.5, 4, 4),
    ]


def test_runs_and_models_know_what_the_results_file_says(folder: Path) -> None:
    ingest(folder)
    run = read_json(OUT / "logs/tiny-7b-sums-naked.json", Run)
    assert (run.run_id, run.responses) == (answers("sums")[0].run_id, 4)
    assert (run.temperature, run.max_tokens, run.batch_size, run.seed) == (0.0, 64, 8, 0)
    assert (run.engine, run.device, run.template) == ("lm-eval 0.4.13", "cpu", "{{ messages }}")
    assert read_json(OUT / "logs/tiny-7b-pick-naked.json", Run).responses == 12
    model = read_json(OUT / "baseline/tiny-7b/model.json", Model)
    assert (model.name, model.origin) == ("tiny-7b", "org/tiny-7b")


def set_in(*path: str, value: object) -> Change:
    def change(whole: dict[str, Any]) -> None:
        for key in path[:-1]:
            whole = whole[key]
        whole[path[-1]] = value

    return change


NAN = float("nan")


@pytest.mark.parametrize(
    ("change", "counts", "reason"),
    [
        (lambda w: w.pop("n-samples"), (6, 5, 1), "no n-samples: how many answers"),
        (lambda w: w.pop("versions"), (6, 5, 1), "no versions: of which version"),
        (set_in("lm_eval_version", value="0.9.1"), (6, 5, 1), "lm_eval_version '0.9.1' is not known"),
        (set_in("n-samples", "pick", value=NAN), (6, 5, 1), "n-samples of 'pick'"),
        (set_in("results", "pick", "acc_stderr,none", value=NAN), (6, 5, 1), "NaN"),
        (set_in("results", "pick", "acc_stderr,none", value=-1), (6, 5, 1), "is no standard error"),
        (set_in("results", "pick", "f1_stderr,none", value=0.5), (6, 5, 1), "standard error of no figure"),
        (set_in("results", "pick", "acc,none", value="high"), (5, 4, 1), "expected a number, found str"),
        (set_in("results", "pick", "acc,none", value=True), (5, 4, 1), "expected a number, found bool"),
        (set_in("results", "pick", "acc", value=0.5), (6, 5, 1), "expected metric,filter"),
        (set_in("results", "pick", value=5), (4, 3, 1), "expected an object of metrics"),
        (set_in("groups", "both", "acc,none", value=0.75), (6, 5, 1), "groups says otherwise"),
        (set_in("results", value=[]), (1, 0, 1), 'expected {"results"'),
    ],
)
def test_what_is_not_as_known_is_one_line_and_the_rest_is_read(
    folder: Path, change: Change, counts: tuple[int, int, int], reason: str
) -> None:
    assert changed(folder, change) == counts
    (row,) = quarantine()
    assert reason in row.reason and row.file == REPORT and row.line is None


@pytest.mark.parametrize(
    ("value", "error"), [(NAN, "NaN"), (float("inf"), "Infinity"), (None, "null"), ("N/A", "N/A")]
)
def test_a_figure_that_is_missing_is_null_and_says_how(folder: Path, value: object, error: str) -> None:
    assert changed(folder, set_in("results", "pick", "acc,none", value=value)) == (5, 5, 0)
    assert (figures()[0].value, figures()[0].error, figures()[0].unit) == (None, error, "as given")


@pytest.mark.parametrize(
    ("change", "limited"),
    [
        (lambda w: None, True),
        (set_in("n-samples", "pick", "effective", value=10), False),
        (lambda w: w.pop("n-samples"), True),  # by the limit
        (lambda w: (w.pop("n-samples"), w["config"].update(limit=None)), False),
        (lambda w: (w.pop("n-samples"), w.pop("config")), None),
    ],
)
def test_limited_follows_the_counts_or_the_limit(folder: Path, change: Change, limited: bool | None) -> None:
    changed(folder, change)
    assert figures()[0].limited is limited


def test_a_percentage_and_a_perplexity_are_as_given(folder: Path) -> None:
    perplexity = {"perplexity,none": 8.5, "perplexity_stderr,none": 0.5}
    counts = changed(
        folder,
        lambda w: (w["results"]["pick"].update(perplexity), w["results"]["sums"].update({"acc,none": 55})),
    )
    assert counts == (7, 7, 0)
    units = {(row.benchmark, row.metric): row.unit for row in figures()}
    assert units["pick", "perplexity"] == units["sums", "acc"] == "as given"


def test_results_without_a_filter_in_their_keys_are_read(folder: Path) -> None:
    old = {"acc": 0.5, "acc_stderr": 0.25, "acc_norm": 0.75}
    assert changed(folder, set_in("results", "pick", value=old)) == (5, 5, 0)
    assert [(row.metric, row.filter, row.stderr) for row in figures()[:2]] == [
        ("acc", "none", 0.25),
        ("acc_norm", "none", None),
    ]


def test_a_key_that_stands_twice_is_kept_once(folder: Path) -> None:
    text = tiny()[REPORT].decode().replace('"acc,none": 0.5', '"acc,none": 0.5, "acc,none": 0.9', 1)
    write(folder, {REPORT: text.replace('"limit": 4', '"limit": 4, "limit": null').encode()})
    assert rows_of(ingest(folder).output)[REPORT] == (7, 5, 2)
    assert sorted(row.reason for row in quarantine()) == [
        "'pick', 'acc,none' stands twice; the first is kept",
        "key 'limit' stands twice; the first is read",
    ]
    assert figures()[0].value == 0.5


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (tiny()[REPORT][:500], "not JSON"),
        (b"", "empty file"),
        (b"[]", "expected an object"),
        (b"\xff", "not UTF-8"),
        (b'{"results": ' * 5000, "not JSON"),
    ],
)
def test_a_broken_results_file_leaves_the_samples(folder: Path, text: bytes, reason: str) -> None:
    write(folder, {REPORT: text})
    counts = rows_of(ingest(folder).output)
    assert counts[REPORT] == (1, 0, 1) and counts[PICK] == (4, 4, 0)
    assert reason in quarantine()[0].reason
    assert {row.model for row in answers("pick", FOLDER)} == {FOLDER}
    assert [(note.rule, note.severity) for note in notes()] == [("samples_without_results", "info")] * 2


def test_other_json_beside_is_no_row(folder: Path) -> None:
    write(folder, {"config.json": b'{"layers": 2}', "mine.json": json.dumps(document("org/other")).encode()})
    counts = rows_of(ingest(folder).output)
    assert counts["config.json"] == (0, 0, 0) and counts["mine.json"] == (5, 5, 0)
    assert {row.model for row in figures()} == {"tiny-7b", "other"} and quarantine() == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"doc_id": 0}, "doc '0' stands twice with filter 'none'"),
        ({"doc_id": None}, "no doc_id"),
        ({"doc_id": True}, "doc_id: expected"),
        ({"doc": None}, "no doc"),
        ({"arguments": {}}, "no arguments"),
        ({"arguments": [[5, " a"]]}, "expected a context"),
        ({"resps": [[["-1.5", "False"]]]}, "expected resps of 3 arguments"),
        ({"resps": [["high"]] * 3}, "expected a log-probability, found 'high'"),
        ({"metrics": "acc"}, "expected a list of names"),
        ({"metrics": ["doc"]}, "'doc' is no metric"),
        ({"filter": 5}, "filter: expected text"),
        ({"task": "sums"}, "task 'sums' contradicts the file name"),
        ({"doc": {"question": "\ud800"}}, "half of a surrogate pair"),
    ],
)
def test_a_faulty_row_is_quarantined(folder: Path, change: dict[str, Any], reason: str) -> None:
    row = json.dumps({**pick(5), **change}).encode() + b"\n"
    assert with_row(folder, row) == (5, 4, 1)
    (refused,) = quarantine()
    assert (refused.file, refused.line) == (PICK, 5) and reason in refused.reason


@pytest.mark.parametrize("line", [b"\xff\n", b'{"doc_id": 7', b'{"a": 1, "a": 2}\n', b"[" * 9000, b"7\n"])
def test_a_line_that_is_no_object_is_quarantined(folder: Path, line: bytes) -> None:
    assert with_row(folder, line) == (5, 4, 1)


def test_other_answers_under_the_second_filter_are_refused(folder: Path) -> None:
    rows = [*totals()[:-1], total(3, "flexible-extract", resps=[[" It is 7"]])]
    write(folder, {SUMS: jsonl(*rows)})
    assert rows_of(ingest(folder).output)[SUMS] == (8, 7, 1)
    assert "other answers than with its other filter" in quarantine()[0].reason


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, (1.0, None)),
        (0, (0.0, None)),
        (NAN, (None, "'acc': NaN, Infinity or beyond any float")),
        ("1", (None, "'acc': expected a number, found str")),
        ([-2.0, 3], (None, "'acc': expected a number, found list")),
        (None, (None, "acc is null")),
    ],
)
def test_a_metric_that_is_no_number_is_null_with_an_error(
    folder: Path, value: object, expected: tuple[float | None, str | None]
) -> None:
    assert with_row(folder, jsonl(pick(5, acc=value))) == (5, 5, 0)
    assert [(s.value, s.error) for s in scores("pick") if s.item_id == "5" and s.metric == "acc"] == [
        expected
    ]


@pytest.mark.parametrize(
    "resps",
    [
        [[["-1.5", "False"]], [["-2.5", "False"]], [["-3.5", "False"]]],
        [[[-1.5, False]], [[-2.5, False]], [[-3.5, False]]],
        [["-1.5", "False"], ["-2.5", "False"], ["-3.5", "False"]],
        [-1.5, -2.5, -3.5],
    ],
)
def test_log_probabilities_are_read_in_any_nesting(folder: Path, resps: object) -> None:
    with_row(folder, jsonl(pick(5, resps=resps)))
    assert [row.logprob for row in answers("pick") if row.seed_id == "5"] == [-1.5, -2.5, -3.5]


def test_an_impossible_answer_has_no_logprob_and_a_note(folder: Path) -> None:
    with_row(folder, jsonl(pick(5, resps=[[["-inf", "False"]], [["-2.5", "False"]], [["nan", "False"]]])))
    assert [row.logprob for row in answers("pick") if row.seed_id == "5"] == [None, -2.5, None]
    (note,) = [note for note in notes() if note.rule == "logprob_not_finite"]
    assert (note.line, note.item_id) == (5, "5") and "answer 0, 2" in note.detail


@pytest.mark.parametrize(
    ("target", "right"),
    [
        ("2", ["blue"]),
        ("[0, 2]", ["red", "blue"]),
        (" green", ["green"]),
        ("3", []),
        ("grey", []),
        ([1], ["green"]),
    ],
)
def test_the_right_choice_is_named_by_number_or_text(folder: Path, target: object, right: list[str]) -> None:
    with_row(folder, jsonl(pick(5, target=target, target_hash=None)))
    item = items("pick")[-1]
    assert [text for text, is_right in item.choices if is_right] == right
    assert item.gold == (right[0] if right else target)


def test_repeats_chats_and_rolling_text_are_answers_too(folder: Path) -> None:
    chat = {"gen_args_0": {"arg_0": ['[{"role": "user"}]'], "arg_1": {"until": []}}}
    rolling = {"gen_args_0": {"arg_0": "A whole text."}}
    more = {"prompt_hash": None, "filter": "none"}
    rows = [
        total(4, "none", arguments=chat, resps=[["one", "two"]], **more),
        total(5, "none", arguments=rolling, resps=[["-11.0"]], **more),
    ]
    assert with_row(folder, jsonl(*rows), SUMS) == (10, 10, 0)
    first, second, text = answers("sums")[-3:]
    assert [(row.sample, row.response) for row in (first, second)] == [(0, "one"), (1, "two")]
    assert first.prompt == '[{"role": "user"}]'
    assert (text.prompt, text.response, text.logprob) == ("", "A whole text.", -11.0)


def test_rows_that_are_not_those_of_the_figures_are_noted(folder: Path) -> None:
    write(folder, {PICK: jsonl(*picks()[:3])})
    ingest(folder)
    assert [(note.rule, note.severity, note.file) for note in notes()] == [("samples_hash", "warning", PICK)]


def test_a_row_that_was_changed_by_hand_is_noted(folder: Path) -> None:
    rows = picks()
    rows[2]["target"] = "0"
    write(folder, {PICK: jsonl(*rows)})
    ingest(folder)
    (note,) = notes()
    assert (note.rule, note.line, note.item_id) == ("sample_hash", 3, "2") and "target_hash" in note.detail


def test_samples_of_another_task_than_the_name_says_are_quarantined(folder: Path) -> None:
    write(folder, {PICK: tiny()[SUMS]})
    assert rows_of(ingest(folder).output)[PICK] == (8, 0, 8)
    assert {row.reason for row in quarantine()} == {"by its hash this file holds the samples of task 'sums'"}


def test_samples_without_results_are_imported_with_a_note(folder: Path) -> None:
    write(folder, {f"{FOLDER}/samples_more_{TIME}.jsonl": jsonl(pick(0))})
    ingest(folder)
    assert [(note.rule, note.severity, note.prompts) for note in notes()] == [
        ("samples_without_results", "info", "more")
    ]
    assert {row.model for row in answers("more")} == {"tiny-7b"}


@pytest.mark.parametrize("task", ["a b", "é", "x" * 100, ".hid"])
def test_a_task_that_is_no_name_is_quarantined(folder: Path, task: str) -> None:
    name = f"{FOLDER}/samples_{task}_{TIME}.jsonl"
    write(folder, {name: jsonl(pick(0))})
    assert rows_of(ingest(folder).output)["total"] == (18, 17, 1)


def test_a_file_name_that_cannot_be_printed_is_quarantined(folder: Path) -> None:
    for odd in ("\udcff", "a\nb", "\x1b[31m"):
        write(folder, {f"{FOLDER}/samples_{odd}_{TIME}.jsonl": jsonl(pick(0))})
    assert rows_of(ingest(folder).output)["total"] == (20, 17, 3)


def test_samples_of_another_time_go_with_the_only_results_there(folder: Path) -> None:
    later = f"{FOLDER}/samples_pick_2027-01-01T00-00-00.000000.jsonl"
    (folder / PICK).rename(folder / later)
    ingest(folder)
    assert {row.model for row in answers("pick")} == {"tiny-7b"} and notes() == []


def test_the_same_model_twice_is_told_apart_by_folder_and_time(tmp_path: Path, folder: Path) -> None:
    write(tmp_path / "two/first", tiny())
    write(tmp_path / "two/second", tiny())
    again = {name.replace(TIME, "2027-01-01T00-00-00"): text for name, text in tiny().items()}
    write(tmp_path / "two/first", again)
    counts = rows_of(ingest(tmp_path / "two").output)
    assert counts["total"] == (51, 51, 0)
    names = {"tiny-7b", "tiny-7b__2027-01-01T00-00-00", "tiny-7b__second"}
    assert {row.model for row in figures()} == names == {p.stem for p in OUT.glob("scores/pick/*.jsonl")}
    told = {(note.rule, note.severity, note.model) for note in notes()}
    assert told == {("same_model_twice", "info", name) for name in names - {"tiny-7b"}}
    _, failures = checks.check()
    assert failures == []


def test_two_evaluations_of_one_model_on_other_tasks_keep_its_name(tmp_path: Path) -> None:
    parts = {"a": ("pick", PICK), "b": ("sums", SUMS)}
    for part, (task, file) in parts.items():
        whole = document()
        whole["results"] = {task: whole["results"][task]}
        whole["groups"] = {}
        write(tmp_path / "two" / part, {REPORT: json.dumps(whole).encode(), file: tiny()[file]})
    ingest(tmp_path / "two")
    assert {row.model for row in figures()} == {"tiny-7b"} and notes() == []


def test_other_docs_under_the_same_ids_are_noted(tmp_path: Path, folder: Path) -> None:
    rows = [
        hashed({**pick(n), "doc": {"question": f"shape {n}?", "choices": list(COLOURS)}}) for n in range(4)
    ]
    whole = document("org/second")
    whole["task_hashes"]["pick"] = task_hash(rows)
    write(folder, {f"b/results_{TIME}.json": json.dumps(whole).encode()})
    write(folder, {f"b/samples_pick_{TIME}.jsonl": jsonl(*rows)})
    ingest(folder)
    assert [(note.rule, note.severity, note.model) for note in notes()] == [
        ("items_differ", "warning", "tiny-7b")
    ]
    assert "4 docs are not those of b/samples_pick" in notes()[0].detail


@pytest.mark.parametrize(
    ("args", "name"),
    [
        ("pretrained=models/gpt-oss-120b,dtype=auto", "gpt-oss-120b"),
        ({"pretrained": "/weights/tiny/"}, "tiny"),
        ("pretrained=org/base,peft=adapters/tiny-lek", "tiny-lek"),
        ("model=llama3:8b", "llama3-8b"),
        ("pretrained=C:\\models\\tiny", "tiny"),
        ("pretrained=../..", "org__tiny-7b"),
        (None, "org__tiny-7b"),
        ({"pretrained": 5}, "org__tiny-7b"),
    ],
)
def test_a_model_is_named_by_the_last_part_of_its_weights(folder: Path, args: object, name: str) -> None:
    changed(folder, lambda w: (w.pop("model_name"), w["config"].update(model_args=args)))
    assert {row.model for row in figures()} == {name}
    assert layout.NAME.fullmatch(name)


@pytest.mark.parametrize("text", ["", "..", "///", "é", "-", "\n"])
def test_nothing_is_made_of_nothing(text: str) -> None:
    assert made_nameable(text) == ""


def test_an_adapter_is_fine_tuned_and_names_its_base(tmp_path: Path, folder: Path) -> None:
    whole = document()
    whole["config"]["model_args"] = "pretrained=org/tiny-7b,peft=adapters/mine"
    write(folder, {f"b/results_{TIME}.json": json.dumps(whole).encode()})
    ingest(folder)
    model = read_json(OUT / "fine-tuned/mine/model.json", Model)
    assert (model.base, model.origin) == ("tiny-7b", "adapters/mine")
    ingest(folder, "--fine-tuned", "tiny-7b")
    assert (OUT / "baseline/mine/model.json").exists() and (OUT / "fine-tuned/tiny-7b/model.json").exists()
    failed = ingest(folder, "--fine-tuned", "nobody")
    assert failed.exit_code == 1 and "--fine-tuned nobody: no such model; there are" in failed.output


def test_weights_are_what_the_arguments_name() -> None:
    stated = Results("r.json", Object([("config", {"model_args": "pretrained=a=b,peft=,x=y"})]))
    assert weights(stated) == {"pretrained": "a=b"}


def test_auto_knows_a_folder_and_a_file(folder: Path, tmp_path: Path) -> None:
    assert lem("ingest", "auto", str(folder)).output.endswith("data/imported/lm-eval: lm-eval, written\n")
    assert lem("ingest", "auto", str(folder / REPORT), "--as", "one").exit_code == 0
    assert lem("ingest", "auto", str(folder / PICK), "--as", "two").exit_code == 0
    other = write(tmp_path / "other", {"results_x.json": b'{"scores": 1}', "results_y.json": b"[["})
    (other / "results_z.json").symlink_to(folder / REPORT)
    os.mkfifo(other / "results_p.json")
    assert not lm_eval.knows(other, sorted(path.name for path in other.iterdir()))


def test_a_second_run_changes_nothing(folder: Path) -> None:
    first = ingest(folder)
    before = tree(OUT)
    assert ingest(folder).output == first.output.replace("written", "unchanged")
    assert tree(OUT) == before


def test_links_are_never_followed(tmp_path: Path, folder: Path) -> None:
    secret = write(tmp_path / "secret", {"s.jsonl": jsonl(pick(9, doc={"question": "SECRET"}))})
    link = folder / FOLDER / f"samples_stolen_{TIME}.jsonl"
    link.symlink_to(secret / "s.jsonl")
    assert rows_of(ingest(folder).output)[f"{FOLDER}/{link.name}"] == (1, 0, 1)
    assert not any(b"SECRET" in content for content in tree(OUT).values())


def test_the_tables_show_the_figures(folder: Path) -> None:
    ingest(folder)
    for words in (("doctor", "--pin"), ("check",), ("warehouse",)):
        result = lem(*words)
        assert result.exit_code == 0, result.output
    columns = "benchmark, metric, filter, value, n, limited"
    table = lem("sql", f"select {columns} from figures where metric = 'acc' order by benchmark").output
    assert [line.split() for line in table.splitlines()] == [
        columns.split(", "),
        ["both", "acc", "none", "0.5", "4", "true"],
        ["pick", "acc", "none", "0.5", "4", "true"],
    ]


def lines_in(content: bytes) -> int:
    """Lines of a JSONL file, counted without the code under test."""
    found = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    while found and not found[-1].strip():
        found.pop()
    return len(found)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
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
        counts = rows_of(first.output)
        rows, imported, refused = counts.pop("total")
        assert rows == imported + refused and refused == len(quarantine())
        assert set(counts) == set(files) and tree(OUT / "raw") == files
        for file in set(files) - {REPORT}:
            assert counts[file][0] == lines_in(files[file])
        read = {
            (s.benchmark, s.model, s.item_id, s.filter)
            for p in OUT.glob("scores/*/*")
            for s in read_jsonl(p, Score)
        }
        taken = sum(counts.get(file, (0, 0, 0))[1] for file in (PICK, SUMS))
        assert taken == len(read) or any(b'"metrics": []' in text for text in files.values())
        assert len(figures()) == counts.get(REPORT, (0, 0, 0))[1]
        for table, key in KEYS.items():
            if table in RECORDS and table not in ("runs", "models", "quarantined"):
                cls: Any = RECORDS[table]
                records = [row for path in layout.files(table) for row in read_jsonl(path, cls)]
                names = [tuple(getattr(row, name) for name in key) for row in records]
                assert len(names) == len(set(names)), table
        assert all(path.startswith(("dump/", f"{OUT}/")) for path in tree(Path()))
        assert ingest("dump").output.endswith("unchanged\n")
