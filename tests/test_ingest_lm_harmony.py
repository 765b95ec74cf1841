"""`lem ingest lm-harmony`: each cell that should hold a score is a figure or in the quarantine."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lem.cli import main
from lem.ingest import lm_harmony
from lem.ingest.lines import LINE_LIMIT
from lem.ingest.lm_harmony.table import cells
from lem.record_files import read_jsonl
from lem.records import Figure, Quarantined

ROOT = Path(__file__).parents[1]
UPSTREAM = Path(os.environ.get("LEM_UPSTREAM", ROOT.parent / "shared" / "upstream"))
README = UPSTREAM.parent / "seed-documents" / "lm-harmony-readme.md"
OUT = Path("data/imported/lm-harmony")

SCORES = {
    "train_before_test": {"cola": {"org/a": 0.5, "b": None}, "piqa": {"org/a": 81, "b": 0.25}},
    "direct_eval": {"cola": {"org/a": 0.125}},
    "train_before_test_stderr": {"cola": {"org/a": 0.01, "b": 0.02}},
}
TABLE = """\
# Us

## Leaderboard ##

| Model | Rank | PC1   | A | B-2  |
|:------|-----:|------:|---|:----:|
| org/a | 1    | 5.50  | 9 | -0.1 |
| b     | 2    | -1e-2 |   | N/A  |

What was measured: | Rank | PC1 |
"""


def written(path: Path, content: str | bytes | dict) -> Path:
    if isinstance(content, dict):
        content = json.dumps(content)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def ingest(path: Path | str, *options: str) -> Result:
    """Run the command; only LemError (one line, exit 1) and usage errors may stop it."""
    result = CliRunner().invoke(main, ["ingest", "lm-harmony", str(path), *options])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


def counts(result: Result, file: str) -> tuple[int, ...]:
    """(rows, imported, quarantined) of a file, as printed."""
    assert result.exit_code == 0, result.output
    (line,) = [line.split() for line in result.output.splitlines() if line.split()[1:2] == [file]]
    return tuple(map(int, line[2:]))


def figures() -> list[Figure]:
    return [row for path in sorted(OUT.glob("figures/*.jsonl")) for row in read_jsonl(path, Figure)]


def quarantine() -> list[Quarantined]:
    return list(read_jsonl(OUT / "quarantine.jsonl", Quarantined))


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "study").mkdir()
    monkeypatch.chdir(tmp_path / "study")
    monkeypatch.setattr(os, "fsync", lambda _: None)  # nothing here has to outlive a power cut
    return tmp_path


def test_scores_by_regime_become_figures(here: Path) -> None:
    assert counts(ingest(written(here / "s.json", SCORES)), "s.json") == (5, 5, 0)
    common = {"source": "lm-harmony", "document": "s.json", "metric": "score", "unit": "as given"}
    told = [
        ("train_before_test.cola", "org/a", "cola", 0.5, None, 0.01, "train_before_test"),
        ("train_before_test.cola", "b", "cola", None, "stated as null", 0.02, "train_before_test"),
        ("train_before_test.piqa", "org/a", "piqa", 81.0, None, None, "train_before_test"),
        ("train_before_test.piqa", "b", "piqa", 0.25, None, None, "train_before_test"),
        ("direct_eval.cola", "org/a", "cola", 0.125, None, None, "direct"),
    ]
    names = ("place", "model", "benchmark", "value", "error", "stderr", "regime")
    assert figures() == [Figure(**common, **dict(zip(names, row, strict=True))) for row in told]


def test_a_leaderboard_becomes_figures(here: Path) -> None:
    assert counts(ingest(written(here / "README.md", TABLE)), "README.md") == (8, 8, 0)
    found = [(f.place, f.model, f.benchmark, f.metric, f.value, f.unit, f.error) for f in figures()]
    assert found == [
        ("Leaderboard, row 1", "org/a", None, "rank", 1.0, "as given", None),
        ("Leaderboard, row 1", "org/a", None, "pc1", 5.5, "as given", None),
        ("Leaderboard, row 1", "org/a", "A", "score", 9.0, "percent", None),
        ("Leaderboard, row 1", "org/a", "B-2", "score", -0.1, "percent", None),
        ("Leaderboard, row 2", "b", None, "rank", 2.0, "as given", None),
        ("Leaderboard, row 2", "b", None, "pc1", -0.01, "as given", None),
        ("Leaderboard, row 2", "b", "A", "score", None, "percent", "not stated"),
        ("Leaderboard, row 2", "b", "B-2", "score", None, "percent", "stated as 'N/A'"),
    ]
    assert {f.regime for f in figures()} == {"train_before_test"}


@pytest.mark.parametrize("said", ["", " ", "-", "–", "n/a", "N/A", "null", "NaN"])
def test_a_missing_score_is_a_figure_without_a_value(here: Path, said: str) -> None:
    ingest(written(here / "s.json", {"direct_eval": {"cola": {"a": said}}}))
    (figure,) = figures()
    assert figure.value is None and figure.error


def test_nan_is_missing_and_infinity_is_not(here: Path) -> None:
    text = '{"direct_eval": {"t": {"a": NaN, "b": Infinity, "c": 1e999, "d": 1}}}'
    assert counts(ingest(written(here / "s.json", text)), "s.json") == (4, 2, 2)
    assert [(f.model, f.value, f.error) for f in figures()] == [
        ("a", None, "stated as NaN"),
        ("d", 1.0, None),
    ]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("0.5", "expected a number, found the text '0.5'"),
        (True, "expected a number, found bool"),
        ([0.5], "expected a number, found list"),
        ({"acc": 0.5}, "expected a number, found Object"),
    ],
)
def test_a_score_that_is_no_number_is_quarantined_with_its_keys(
    here: Path, value: object, reason: str
) -> None:
    scores = {"direct_eval": {"cola": {"a": 0.5, "b": value}}}
    assert counts(ingest(written(here / "s.json", scores)), "s.json") == (2, 1, 1)
    (row,) = quarantine()
    assert reason in row.reason and json.loads(row.text) == {"direct_eval": {"cola": {"b": value}}}


@pytest.mark.parametrize(
    ("text", "expected", "reason"),
    [
        ('{"direct_eval": {"t": {"a": 1, "a": 2}}}', (2, 1, 1), "stands twice; the first is kept"),
        ('{"direct_eval": {"t": {"a": 1}, "t": {"a": 2}}}', (2, 1, 1), "stands twice"),
        ('{"direct_eval": {"t": {"a": 1}}, "direct_eval": {"t": {"a": 1}}}', (2, 1, 1), "stands twice"),
        ('{"direct_eval": {"t": {"a": 1}, "u": 5}}', (2, 1, 1), "expected an object, found int"),
        (
            '{"direct_eval": {"t": {"a": 1}}, "train_before_test": []}',
            (2, 1, 1),
            "expected an object, found list",
        ),
        (
            '{"direct_eval": {"t": {"a": 1}}, "directeval": {"t": {"a": 2}}}',
            (2, 1, 1),
            "is none of train_before",
        ),
        ('{"direct_eval": {"t": {"a": 1, "": 1}}}', (2, 1, 1), "no model"),
        ('{"direct_eval": {"t": {"a": 1}, " ": {"a": 1}}}', (2, 1, 1), "no task"),
        ('{"direct_eval": {"t": {"a": 1, "\\ud800": 1}}}', (2, 1, 1), "half of a surrogate pair"),
        ('{"direct_eval": {"t": {"a": ' + "[" * 500 + "]" * 500 + "}}}", (1, 0, 1), "found list"),
        ('{"direct_eval": ', (1, 0, 1), "not JSON"),
        ("[" * 100_000, (1, 0, 1), "not JSON"),
        (b'{"direct_eval": "\xff"}', (1, 0, 1), "not UTF-8"),
        (json.dumps(SCORES).encode("utf-16"), (1, 0, 1), "not UTF-8"),
        ("", (1, 0, 1), "empty file"),
        (b" " * (LINE_LIMIT + 1), (1, 0, 1), f"the limit is {LINE_LIMIT}"),
    ],
)
def test_hostile_json(here: Path, text: str | bytes, expected: tuple[int, int, int], reason: str) -> None:
    written(here / "d/s.json", text)
    written(here / "d/sound.json", {"direct_eval": {"other": {"z": 1}}})
    assert counts(ingest(here / "d"), "s.json") == expected
    (row,) = quarantine()
    assert reason in row.reason


@pytest.mark.parametrize(
    ("stderr", "reason"),
    [
        ({"cola": {"a": "x"}}, "expected a number, found the text 'x'"),
        ({"cola": {"a": -0.1}}, "a stderr of -0.1"),
        ({"cola": {"b": 0.1}}, "a stderr of a score that is not there"),
        ({"piqa": {"a": 0.1}}, "a stderr of a score that is not there"),
        ({"cola": 0.1}, "expected an object, found float"),
    ],
)
def test_a_faulty_stderr_costs_no_score(here: Path, stderr: dict, reason: str) -> None:
    text = {"direct_eval": {"cola": {"a": 0.5}}, "direct_eval_stderr": stderr}
    assert counts(ingest(written(here / "s.json", text)), "s.json") == (2, 1, 1)
    assert [(f.value, f.stderr) for f in figures()] == [(0.5, None)]
    assert [reason in row.reason for row in quarantine()] == [True]


def test_a_missing_stderr_is_none(here: Path) -> None:
    text = '{"direct_eval": {"t": {"a": 1}}, "direct_eval_stderr": {"t": {"a": NaN}}}'
    assert counts(ingest(written(here / "s.json", text)), "s.json") == (1, 1, 0)


HEAD = "| | rank | Pc1 | A |\n|-|-|-|-|\n"


@pytest.mark.parametrize(
    ("rows", "expected", "reason"),
    [
        ("| a | 1 | 2 |", (1, 0, 1), "a row of 3 cells below a header of 4"),
        ("| a | 1 | 2 | 3 | 4 |", (1, 0, 1), "a row of 5 cells below a header of 4"),
        ("torn", (1, 0, 1), "a row of 1 cells below a header of 4"),
        ("| a | 1 | 2 | 90.3% |", (3, 2, 1), "expected a number, found '90.3%'"),
        ("| a | 1 | 2 | **3** |", (3, 2, 1), "expected a number, found '**3**'"),
        ("| a | 1 | 2 | 1_000 |", (3, 2, 1), "expected a number, found '1_000'"),
        ("| a | 1 | 2 | ٣ |", (3, 2, 1), "expected a number, found"),
        ("| a | 1 | 2 | inf |", (3, 2, 1), "expected a number, found 'inf'"),
        ("| a | 1 | 2 | 1e999 |", (3, 2, 1), "is beyond any float"),
        ("| a | 1 | 2 | 3 |\n| a | 1 | 2 | 3 |", (6, 3, 3), "stand twice"),
        ("|  | 1 | 2 | 3 |", (3, 0, 3), "no model"),
    ],
)
def test_a_faulty_row_of_the_table(
    here: Path, rows: str, expected: tuple[int, int, int], reason: str
) -> None:
    written(here / "d/t.md", HEAD + rows + "\n")
    written(here / "d/sound.json", {"direct_eval": {"other": {"z": 1}}})
    assert counts(ingest(here / "d"), "t.md") == expected
    assert all(reason in row.reason for row in quarantine())
    assert {row.line for row in quarantine()} <= {3, 4}


def test_what_a_table_is(here: Path) -> None:
    text = "\r\n".join(
        [
            "```",
            *HEAD.split("\n")[:2],
            "| in code | 1 | 2 | 3 |",
            "```",
            "Setup",
            "| Model | Score |",
            "|---|---|",
            "| other | 5 |",
            "",
            "### Second #",
            "Model \\| name | RANK | pc1 | A \\| B",
            ":-- | --: | --- | :-:",
            "a \\| b | 1 | 2 | 3",
            "# Third",
            "| Rank | PC1 |",
            "|---|",
            "| no | rule |",
        ]
    )
    assert counts(ingest(written(here / "t.md", text)), "t.md") == (3, 3, 0)
    assert {(f.model, f.place) for f in figures()} == {("a | b", "Second, row 1")}
    assert {f.benchmark for f in figures()} == {None, "A | B"}


def test_a_table_without_a_heading_and_two_of_them(here: Path) -> None:
    text = f"{HEAD}| a | 1 | 2 | 3 |\n\n## Two\n\n{HEAD}| a | 1 | 2 | 3 |\n| b | 1 | 2 | 3 |\n"
    assert counts(ingest(written(here / "t.md", text)), "t.md") == (9, 6, 3)
    assert {f.place for f in figures()} == {"row 1", "Two, row 2"}


def test_a_folder_with_both_and_with_other_files(here: Path) -> None:
    folder = here / "dump"
    for name in ("deep/er/s.json", "odd name ½.json", "x.JSON"):
        written(folder / name, SCORES)
    written(folder / "README.md", TABLE)
    written(folder / "package.json", {"name": "x"})
    written(folder / ".git/s.json", SCORES)
    written(folder / "notes.txt", "Rank")
    result = ingest(folder)
    assert counts(result, "README.md") == (8, 8, 0) and counts(result, "package.json") == (0, 0, 0)
    assert "not read: notes.txt" in result.output and ".git" not in result.output
    assert Counter(f.document for f in figures()) == {
        "README.md": 8,
        "deep/er/s.json": 5,
        "odd name ½.json": 5,
        "x.JSON": 5,
    }
    assert len(list(OUT.glob("figures/*"))) == 4
    assert ingest(folder).output == result.output.replace("written", "unchanged")


def test_a_file_without_any_cell_says_what_was_expected(here: Path) -> None:
    for name, text in {"a.md": "# Nothing", "b.json": "{}"}.items():
        failed = ingest(written(here / name, text))
        assert failed.exit_code == 1 and "not one row in 1 files; expected a JSON of" in failed.output
    assert not Path("data/imported/lm-harmony").exists()


def test_links_are_not_followed(here: Path) -> None:
    secret = written(here / "secret.json", SCORES)
    written(here / "dump/README.md", TABLE)
    (here / "dump/stolen.json").symlink_to(secret)
    os.mkfifo(here / "dump/pipe.md")
    result = ingest(here / "dump")
    assert counts(result, "stolen.json") == counts(result, "pipe.md") == (1, 0, 1)
    assert {f.document for f in figures()} == {"README.md"}


def test_what_auto_knows(here: Path) -> None:
    table, scores = written(here / "t.md", TABLE), written(here / "s.json", SCORES)
    assert lm_harmony.knows(table, ["t.md"]) and lm_harmony.knows(scores, ["s.json"])
    (here / "dump").mkdir()
    (here / "dump/s.json").symlink_to(scores)
    os.mkfifo(here / "dump/t.md")
    for name, text in {"a.md": "# x", "a.json": "[]", "b.json": "{", "c.json": '{"direct_eval": 5}'}.items():
        written(here / "dump" / name, text)
    assert not lm_harmony.knows(here / "dump", sorted(p.name for p in (here / "dump").iterdir()))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(["t.md", "s.json"]),
    st.lists(
        st.tuples(st.sampled_from("dcrn"), st.floats(0, 1, exclude_max=True), st.binary(max_size=3)),
        max_size=4,
    ),
)
@example("t.md", [("d", 0.5, b"|")])
def test_whatever_the_file_no_row_is_lost_and_nothing_lies_elsewhere(
    name: str, changes: list[tuple[str, float, bytes]]
) -> None:
    text = TABLE.encode() if name == "t.md" else json.dumps(SCORES).encode()
    for how, where, what in changes:
        at = int(where * len(text))
        tail = {"d": text[at + len(what) :], "c": b"", "r": text[at // 2 :], "n": text[at:]}[how]
        text = text[:at] + what + tail
    with tempfile.TemporaryDirectory() as top, contextlib.chdir(top):
        first = ingest(written(Path("dump") / name, text))
        if first.exit_code:
            assert first.output.startswith("Error: ") and len(first.output.splitlines()) == 1
            assert set(tree(Path())) == {f"dump/{name}"}
            return
        found = figures()
        assert counts(first, name) == (len(found) + len(quarantine()), len(found), len(quarantine()))
        assert len({(f.place, f.model, f.benchmark, f.metric, f.regime) for f in found}) == len(found)
        assert all(path == f"dump/{name}" or path.startswith(f"{OUT}/") for path in tree(Path()))
        assert ingest(Path("dump") / name).output == first.output.replace("written", "unchanged")


def test_the_published_leaderboard_comes_in_whole_and_its_pc1_follows_from_it() -> None:
    if not README.is_file():
        pytest.skip(f"{README} is absent; LEM_UPSTREAM names a folder beside seed-documents")
    assert counts(ingest(README), README.name) == (1586, 1586, 0)
    found = figures()
    assert Counter(f.metric for f in found) == {"score": 61 * 24, "rank": 61, "pc1": 61}
    assert all(f.value is not None for f in found)
    scores: dict[str, dict[str | None, float]] = {}
    for f in found:
        scores.setdefault(f.model, {})[f.benchmark or f.metric] = f.value
    assert len(scores) == 61 and [row["rank"] for row in scores.values()] == list(range(1, 62))
    matrix = np.array([[v for k, v in row.items() if k not in ("rank", "pc1")] for row in scores.values()])
    standard = (matrix - matrix.mean(0)) / matrix.std(0)
    left, sizes, _ = np.linalg.svd(standard, full_matrices=False)
    pc1 = np.array([row["pc1"] for row in scores.values()])
    assert abs(np.corrcoef(left[:, 0] * sizes[0], pc1)[0, 1]) > 0.99999999
    assert round(100 * sizes[0] ** 2 / (sizes**2).sum(), 1) == 85.5


def test_cells_are_read_lazily_from_any_text() -> None:
    assert list(cells("x", "")) == [] and list(cells("x", HEAD)) == []
    assert [cell.number for cell in cells("x", f"\n{HEAD}| a | 1 | 2 | 3 |")] == [4, 4, 4]
