"""`lem ingest figures`, and that seeds/published/*.csv say what the seed documents print."""

from __future__ import annotations

import contextlib
import csv
import os
import re
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lem.cli import main
from lem.ingest import figures
from lem.ingest.figures import rows as csv_rows
from lem.record_files import read_jsonl
from lem.records import Figure, Quarantined
from lem.rules import KEYS

ROOT = Path(__file__).parents[1]
PUBLISHED = ROOT / "seeds" / "published"
UPSTREAM = Path(os.environ.get("LEM_UPSTREAM", ROOT.parent / "shared" / "upstream"))
DOCUMENTS = UPSTREAM.parent / "seed-documents"
OUT = Path("data/imported/figures")
HEADER = ",".join(figures.COLUMNS)
SOUND = 'a.md,"T, row 1",M,gsm8k,exact_match,+26.0,percent,0.5,50,true,stored,direct'


def written(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def ingest(path: Path | str, *options: str) -> Result:
    """Run the command; only LemError (one line, exit 1) and usage errors may stop it."""
    result = CliRunner().invoke(main, ["ingest", "figures", str(path), *options])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


def counts(result: Result, file: str = "f.csv") -> tuple[int, ...]:
    """(rows, imported, quarantined) of a file, as printed."""
    assert result.exit_code == 0, result.output
    (line,) = [line.split() for line in result.output.splitlines() if line.split()[1:2] == [file]]
    return tuple(map(int, line[2:]))


def imported() -> list[Figure]:
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


def test_a_row_becomes_a_figure(here: Path) -> None:
    assert counts(ingest(written(here / "f.csv", f"{HEADER}\n{SOUND}\n"))) == (1, 1, 0)
    assert imported() == [
        Figure(
            *("figures", "a.md", "T, row 1", "M", "gsm8k", "exact_match", 26.0, "percent"),
            stderr=0.5,
            n=50,
            limited=True,
            filter="stored",
        )
    ]


def test_what_is_left_out_is_not_stated(here: Path) -> None:
    text = "value,metric,model,place,document\n,acc,M,t,a.md\n0.8000,acc_norm,M,t,a.md\n"
    assert counts(ingest(written(here / "f.csv", text))) == (2, 2, 0)
    missing, there = imported()
    assert missing == Figure("figures", "a.md", "t", "M", None, "acc", None, error="not stated")
    assert there == Figure("figures", "a.md", "t", "M", None, "acc_norm", 0.8)


def test_empty_cells_are_the_defaults(here: Path) -> None:
    ingest(written(here / "f.csv", f"{HEADER}\na.md,t,M,,acc,1,,,,,,\n"))
    assert imported() == [Figure("figures", "a.md", "t", "M", None, "acc", 1.0)]


def row(**cells: str) -> str:
    """The sound row with other cells."""
    sound = dict(zip(figures.COLUMNS, next(csv.reader([SOUND])), strict=True))
    return ",".join(f'"{value}"' for value in {**sound, **cells}.values())


FAULTY = [
    (row(value="26 %"), "value: expected a number, found '26 %'"),
    (row(value="NaN"), "value: expected a number, found 'NaN'"),
    (row(value="1e999"), "value: '1e999' is beyond any float"),
    (row(value="1_0"), "value: expected a number, found '1_0'"),
    (row(value=" 1"), "value: expected a number, found ' 1'"),
    (row(value="٣"), "value: expected a number"),
    (row(stderr="-0.1"), "stderr: -0.1 is below 0"),
    (row(stderr="x"), "stderr: expected a number"),
    (row(n="50.0"), "n: expected a whole number"),
    (row(n="-1"), "n: expected a whole number"),
    (row(n="9" * 16), "n: expected a whole number of at most 15 digits"),
    (row(limited="yes"), "limited: expected true, false or nothing, found 'yes'"),
    (row(regime="train-before-test"), "regime: expected direct, train_before_test or nothing"),
    (row(document=""), "no document"),
    (row(place=" "), "no place"),
    (row(model=""), "no model"),
    (row(metric=""), "no metric"),
    (f"{SOUND},", "13 cells, the header has 12"),
    (SOUND.rpartition(",")[0], "11 cells, the header has 12"),
    (SOUND.replace("M", 'M"x"').replace(",M", ',"M'), "not CSV"),
    (SOUND.replace("M", '"M'), "not CSV"),
    (SOUND.replace("M", "M" * 140_000), "not CSV"),
    (SOUND.replace("M", "M," * csv_rows.LONGEST), f"a line of {csv_rows.LONGEST} characters or more"),
    (SOUND.encode().replace(b"M", b"\xff"), "not UTF-8"),
    (row(value="27"), "the same figure stands twice; the first is kept"),
    ("", "blank line"),
]


@pytest.mark.parametrize(("line", "reason"), FAULTY, ids=[reason for _, reason in FAULTY])
def test_a_faulty_row_is_quarantined_with_its_line(here: Path, line: str | bytes, reason: str) -> None:
    raw = line.encode() if isinstance(line, str) else line
    after = b"" if line == SOUND.replace("M", '"M') else row(metric="after").encode()
    text = f'{HEADER}\n{SOUND}\n"b\nc"{SOUND[4:]}\n'.encode() + raw + b"\n" + after
    assert counts(ingest(written(here / "f.csv", text))) == (3 + bool(after), 2 + bool(after), 1)
    (found,) = quarantine()
    assert reason in found.reason and found.line == 5
    if len(raw) < 1_000_000:
        assert found.text == raw.decode("utf-8", "backslashreplace")
    else:
        assert len(found.text) < 3_000


def test_cells_may_hold_anything_that_is_text(here: Path) -> None:
    odd = {"model": 'a ""quoted"", one\nof\r\nthree', "place": "\x1b[31m\0½ 你", "document": "../../x"}
    assert counts(ingest(written(here / "f.csv", f"\ufeff{HEADER}\r\n{row(**odd)}\r\n\r\n"))) == (1, 1, 0)
    (figure,) = imported()
    assert figure.model == 'a "quoted", one\nof\r\nthree' and figure.place == odd["place"]
    assert all(path.startswith(("f.csv", f"study/{OUT}/")) for path in tree(here))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "an empty file"),
        ("\n\n", "an empty file"),
        (HEADER.replace("value", "values") + "\n", "unknown column 'values'"),
        (f"{HEADER},note\n", "unknown column 'note'"),
        (f"{HEADER},n\n", "column n stands twice"),
        (HEADER.replace("value,", "") + "\n", "no column value"),
        (f'"{HEADER}\n', "not CSV"),
        (f"\n{HEADER}\n", "blank line"),
        (HEADER.encode("utf-16"), "not UTF-8"),
        (b"\0" * 100, "unknown column"),
        (f"{HEADER}\n", "not one row in 1 files"),
    ],
)
def test_another_header_stops_with_the_file_and_the_column(here: Path, text: str | bytes, said: str) -> None:
    failed = ingest(written(here / "f.csv", text))
    assert failed.exit_code == 1 and len(failed.output.splitlines()) == 1
    assert "f.csv: " in failed.output and said in failed.output and failed.output.isprintable() is False
    assert failed.output.rstrip("\n").isprintable() and not OUT.exists()


def test_each_csv_has_a_figures_file_and_a_key_stands_once_in_all(here: Path) -> None:
    written(here / "d/a.csv", f"{HEADER}\n{SOUND}\n")
    written(here / "d/b c/ä.CSV", f"{HEADER}\n{SOUND}\n{row(model='N')}\n")
    written(here / "d/b_c/ä.CSV", f"{HEADER}\n{row(model='O')}\n")
    written(here / "d/.hidden.csv", "x")
    written(here / "d/README.md", "x")
    (here / "d/link.csv").symlink_to(here / "d/a.csv")
    first = ingest(here / "d")
    assert "not read: README.md" in first.output and "link.csv" in first.output
    assert Counter(f.model for f in imported()) == {"M": 1, "N": 1, "O": 1}
    assert len(list(OUT.glob("figures/*.jsonl"))) == 3 and (OUT / "figures/a.csv.jsonl").exists()
    assert ingest(here / "d").output == first.output.replace("written", "unchanged")


def test_what_auto_knows(here: Path) -> None:
    sound = written(here / "d/a.csv", f"{HEADER}\n{SOUND}\n")
    assert figures.knows(sound, ["a.csv"]) and figures.knows(here / "d", ["README.md", "a.csv"])
    written(here / "d/b.csv", "id,answer\n")
    (here / "link.csv").symlink_to(sound)
    os.mkfifo(here / "pipe.csv")
    assert not figures.knows(here / "d", ["a.csv", "b.csv"]) and not figures.knows(here / "d", [])
    assert not any(figures.knows(here, [name]) for name in ("link.csv", "pipe.csv", "gone.csv"))


PIECES = st.sampled_from(
    [*map(str, figures.COLUMNS), ",", '"', "\n", "\r", "1", "-", "", " ", "\0", "\udcff", "½"]
)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.one_of(PIECES, st.just(SOUND + "\n")), max_size=30))
def test_whatever_the_file_no_row_is_lost_and_nothing_lies_elsewhere(pieces: list[str]) -> None:
    text = f"{HEADER}\n{''.join(pieces)}".encode("utf-8", "surrogateescape")
    with tempfile.TemporaryDirectory() as top, contextlib.chdir(top):
        first = ingest(written(Path("f.csv"), text))
        if first.exit_code:
            assert first.output.startswith("Error: f.csv: not one row") and set(tree(Path())) == {"f.csv"}
            return
        rows, good, bad = counts(first)
        assert (good, bad) == (len(imported()), len(quarantine())) and rows == good + bad
        keys = {tuple(getattr(f, name) for name in KEYS["figures"]) for f in imported()}
        assert len(keys) == good
        assert all(path == "f.csv" or path.startswith(f"{OUT}/") for path in tree(Path()))
        assert ingest("f.csv").output == first.output.replace("written", "unchanged")


# --- seeds/published ---


def cells(document: str) -> list[dict[str, str]]:
    """The rows of a CSV as they are typed."""
    with (PUBLISHED / f"{document}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def printed(document: str) -> str:
    path = DOCUMENTS / f"{document}.md"
    if not path.is_file():
        pytest.skip(f"{path} is absent; LEM_UPSTREAM names a folder beside seed-documents")
    return path.read_text(encoding="utf-8")


ROWS = {"lem-readme": 39, "lem-validation-data-mapping": 56, "lm-eval-results": 8, "lm-harmony-readme": 1587}


def test_all_that_is_published_comes_in(here: Path) -> None:
    result = ingest(PUBLISHED)
    assert {name: counts(result, f"{name}.csv") for name in ROWS} == {n: (r, r, 0) for n, r in ROWS.items()}
    assert {path.stem for path in PUBLISHED.glob("*.csv")} == set(ROWS)
    keys = Counter(tuple(getattr(f, name) for name in KEYS["figures"]) for f in imported())
    assert set(keys.values()) == {1} and {f.document for f in imported()} == {f"{name}.md" for name in ROWS}
    typed = [float(row["value"]) for name in ROWS for row in cells(name)]
    assert sorted(f.value for f in imported()) == sorted(typed)


def test_the_harmony_figures_are_the_printed_ones() -> None:
    lines = [line for line in printed("lm-harmony-readme").splitlines() if line.startswith("|")]
    head, _, *body = ([cell.strip() for cell in line[1:-1].split("|")] for line in lines)
    share, *found = cells("lm-harmony-readme")
    told = [(row["place"], row["model"], row["benchmark"] or row["metric"], row["value"]) for row in found]
    assert told == [
        (f"Leaderboard, row {n}", model, {"Rank": "rank", "PC1": "pc1"}.get(title, title), value)
        for n, (model, *values) in enumerate(body, 1)
        for title, value in zip(head[1:], values, strict=True)
    ]
    assert f"accounts for {share['value']}% of the variance" in printed("lm-harmony-readme")


def test_the_published_leaderboard_reads_alike_from_csv_and_markdown(here: Path) -> None:
    printed("lm-harmony-readme")
    ingest(PUBLISHED / "lm-harmony-readme.csv", "--as", "typed")
    main(["ingest", "lm-harmony", str(DOCUMENTS / "lm-harmony-readme.md")], standalone_mode=False)
    typed, read = (
        {
            (f.document, f.place, f.model, f.benchmark, f.metric, f.value, f.unit, f.regime)
            for path in Path("data/imported", source).glob("figures/*.jsonl")
            for f in read_jsonl(path, Figure)
        }
        for source in ("typed", "lm-harmony")
    )
    assert {metric for *_, metric, _, _, _ in typed - read} == {"pc1_share"} and read < typed


def test_the_lm_eval_figures_are_the_printed_ones() -> None:
    lines = [line for line in printed("lm-eval-results").splitlines() if re.match(r"\| (arc|piqa)", line)]
    table = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]
    values, stderrs = ({(t, m): pair for t, m, *pair in half} for half in (table[:4], table[4:]))
    found = cells("lm-eval-results")
    for side, model in enumerate(("Base model", "RunAI-sharded")):
        told = {
            (r["benchmark"], r["metric"]): (r["value"], r["stderr"]) for r in found if r["model"] == model
        }
        assert told == {key: (values[key][side], stderrs[key][side]) for key in values}
    assert {(row["n"], row["limited"], row["unit"]) for row in found} == {("20", "true", "rate")}


def test_the_readme_figures_are_the_printed_ones() -> None:
    text, found = printed("lem-readme"), cells("lem-readme")
    tables: dict[tuple[str, str], list[str]] = {}
    for row in found:
        percent = "%" if row["unit"] in ("percent", "points") else ""
        tables.setdefault((row["place"], row["model"]), []).append(row["value"] + percent)
    lines = [line.strip(" *•-") for line in text.splitlines()]
    for (place, model), values in tables.items():
        shown = model.removeprefix("LEK ") if place.startswith("Multi-Scale") else model
        if "point" in place:
            assert any(line.startswith(values[0]) for line in lines)
        else:
            assert " ".join([shown, *values]) in lines
    assert [len(values) for values in tables.values()] == [4] * 4 + [5] * 4 + [1] * 3


def test_the_mapping_figures_are_the_printed_ones() -> None:
    text, found = printed("lem-validation-data-mapping"), cells("lem-validation-data-mapping")
    index = [row for row in found if row["place"].startswith("Data Files Index")]
    for row in index:
        number, file = re.fullmatch(r"Data Files Index, row (\d+): (\S+)", row["place"]).groups()
        line = text[text.index("File Entries") :].splitlines()[int(number)]
        assert line.startswith(f"{file} ") and f" {row['model']} " in line
        shown = {
            "entries": rf"^{re.escape(file)} {row['value']} ",
            "prompts": rf" {row['value']} (diverse )?prompts",
            "modes": "sandwich, system_style, kernel_only, naked modes$",
            "exact_match": rf": {row['value']}% accuracy",
        }
        assert re.search(shown.get(row["metric"], rf"{row['metric']} {row['value']}%"), line), row
    summary = [row for row in found if row["place"].startswith("Summary")]
    counted = re.findall(r"^ *\W? *(\d+) files, (\d+) entries each .(\d+) total", text, re.M)
    counted += re.findall(r"(\d+) files .* = (\d+) lines total", text)
    counted += re.findall(r"(\d+) files .(\d+) summary . (\d+) detailed.: (\d+) total", text)
    assert [row["value"] for row in summary[:9]] == [number for numbers in counted for number in numbers]
    for model in ("Baseline", "LEM"):
        by = {(row["benchmark"], row["metric"]): row["value"] for row in summary if row["model"] == model}
        rates = [by["truthfulqa", name] for name in ("truthful_rate", "untruthful_rate", "refusal_rate")]
        times = [by[name, "avg_time"] for name in ("gsm8k", "truthfulqa")]
        assert re.findall(rf"{model} accuracy: (\d+)%", text) == [by["gsm8k", "exact_match"]]
        shown = re.findall(rf"{model}: truthful (\d+)%, untruthful (\d+)%, refusal (\d+)%", text)
        assert shown == [tuple(rates)]
        assert re.findall(rf"{model} avg time: ([\d.]+)s", text) == times
    seen = {(row["model"], row["metric"]): row["value"] for row in found if row["place"].endswith("point 3")}
    assert f"~{seen['LEM', 'slowdown']}x slower" in text
    shown = re.findall(r"(untruthful rate|refusal rate|reasoning)\b.*\((\d+)% vs (\d+)%\)", text)
    named = zip(("untruthful_rate", "refusal_rate", "exact_match"), shown, strict=True)
    assert {
        (who, m): v for m, (_, *both) in named for who, v in zip(("LEM", "Baseline"), both, strict=True)
    } == {key: value for key, value in seen.items() if key[1] != "slowdown"}
