"""`lem claims`: each verdict from a small study's rows, what a stranger's file cannot do, our own file."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from click.testing import CliRunner, Result

from lem import claims, engine, layout, stats, whole_tables
from lem.claims import command
from lem.claims.files import Relation, read
from lem.claims.verdicts import Answer, Evidence, figure, judged
from lem.cli import main
from lem.report.words import text
from test_sql_functions import write_study

ROOT = Path(__file__).parents[1]
FINDING = """
    select
        'misread' as rule, 'error' as severity, 'theirs' as source, 'a' as model, 'quiz' as prompts,
        'naked' as mode, 'Q00' as item_id, 0 as sample, null::varchar as file, 'read 7, said 8' as detail"""
PUBLISHED = ROOT / "seeds/published/claims.yaml"
UPSTREAM = Path(os.environ.get("LEM_UPSTREAM", ROOT.parent / "shared" / "upstream"))


def pair(reading: str, metric: str = "exact_match", sides: str = "'a', 'b'") -> str:
    return f"""
        select difference as value, n, low, high, p, 'they differ in ' || differs as missing
        from difference('theirs', {sides}, '{metric}', '{reading}')"""


def row(answer: str) -> str:
    """Return a query that reads a table, and gives one row of this answer whatever is in it."""
    return f"select {answer} from (select count(*) from models)"


def claim(**more: object) -> dict[str, object]:
    """Return a claim that the small study's rows reproduce; `more` changes it, None takes a key away."""
    about = {"id": "sixty", "claim": "a is 60 points better", "document": "paper.md", "place": "table 1"}
    asked = {"source": "theirs", "expected": 60, "tolerance": 0.5, "unit": "points", "sql": pair("stored")}
    return {key: value for key, value in {**about, **asked, **more}.items() if value is not None}


def write(path: str | Path, *entries: dict[str, object]) -> Path:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(list(entries), sort_keys=False))
    return path


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a study's folder for all tests: two models over 30 questions, and an audit's finding."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch, duckdb.connect() as con:
        patch.chdir(folder)
        write_study()
        found = f"{FINDING} from range(3)"
        con.execute(f"copy ({found}) to 'reports/tables/quality_findings.parquet' (format parquet)")
        whole_tables.seal(layout.TABLES)
    return folder


@pytest.fixture
def study(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of it, which is also the working folder."""
    shutil.copytree(written / "reports", tmp_path / "reports")
    monkeypatch.chdir(tmp_path)
    Path("engine.yaml").write_text(yaml.safe_dump(engine.installed()))
    return tmp_path


def lem_claims(*args: str | Path, code: int = 0) -> Result:
    result = CliRunner().invoke(command, [str(arg) for arg in args])
    assert isinstance(result.exception, SystemExit | None), result.exception
    assert result.exit_code == code, result.output
    return result


def verdict_of(**more: object) -> tuple[str, str]:
    row = json.loads(lem_claims(write("c.yaml", claim(**more)), "--format", "json").stdout)[0]
    return row["verdict"], row["reason"]


def refused(*args: str | Path) -> str:
    """Return what is said about a mistake: one line, exit code 1, and no page."""
    result = lem_claims(*args, code=1)
    assert result.stdout == "" and not list(layout.REPORTS.glob("claims*"))
    assert result.stderr.startswith("Error: ") and len(result.stderr.splitlines()) == 1, result.stderr
    return result.stderr


# Verdicts


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"no_effect": 0},
        {"expected": "> 0", "tolerance": None},
        {"expected": ">= 20", "tolerance": None},
        {"repaired": pair("flexible"), "finding": "never_found"},
        {"repaired": pair("stored"), "finding": "misread"},
        {"sql": row("60.4999999 as value")},
        {"expected": 0, "tolerance": 0, "sql": row("0.1 + 0.2 - 0.3 as value")},
        {"expected": 1, "sql": row("true as value")},
        {"expected": 1, "tolerance": 0, "sql": row("1.0::decimal(4, 2) as value, 3::hugeint as n") + ";"},
    ],
)
def test_reproduced(study: Path, more: dict[str, object]) -> None:
    assert verdict_of(**more)[0] == "reproduced"


def test_a_reproduced_claim_tells_its_number_its_interval_and_its_n(study: Path) -> None:
    reason = verdict_of(repaired=pair("stored"), finding="misread")[1]
    assert reason.startswith("The rows give 60 points (95 % ")
    assert (
        ", n = 30, p = " in reason and "), as published. With misread repaired they give 60 points" in reason
    )


STATED = {"sql": "select value from figures where metric = 'exact_match'"}


def stated() -> None:
    with duckdb.connect() as con:
        con.execute(
            "copy (select 'theirs' as source, 'exact_match' as metric, 60.0 as value) "
            "to 'reports/tables/figures.parquet' (format parquet)"
        )
    whole_tables.seal(layout.TABLES)


def test_what_is_only_stated_is_not_reproduced(study: Path) -> None:
    stated()
    verdict, reason = verdict_of(**STATED, needs="the answers.")
    assert verdict == "not checkable"
    assert reason.startswith("The stated figures give 60 points, as published, but their rows are not here.")
    assert reason.endswith("Needed: the answers.")
    assert verdict_of(**STATED, of_figures=True)[0] == "reproduced"
    assert verdict_of(**STATED, expected=50)[0] == "contradicted"
    both = "select max(value) as value from figures where source in (select source from item_values)"
    assert verdict_of(sql=both)[0] == "reproduced"


@pytest.mark.parametrize(
    "sql",
    [
        "with models as (from figures) select value from models",
        "select value from figures -- from scores",
        "select value from figures /* join item_values */ where 'from scores' <> ''",
        'select value from "figures"',
        "select value from main.figures",
        "select value from FIGURES as scores",
        "with unused as (from scores) select value from figures",
    ],
)
def test_what_a_query_reads_is_not_how_it_is_worded(study: Path, sql: str) -> None:
    stated()
    assert verdict_of(sql=sql)[1].startswith(
        "The stated figures give 60 points, as published, but their rows"
    )


def test_a_claim_of_figures_themselves_is_no_claim_of_an_effect(study: Path) -> None:
    stated()
    relation = {**STATED, "expected": "> 0", "tolerance": None, "of_figures": True}
    assert verdict_of(**relation) == ("reproduced", "The stated figures give 60 points, as published.")


@pytest.mark.parametrize("more", [{"expected": "> 0", "tolerance": None}, {"no_effect": 0}])
@pytest.mark.parametrize(("p", "noise"), [(0.05, True), (0.4, True), (0.0499, False), (0, False)])
def test_p_decides_beside_the_interval(study: Path, more: dict[str, object], p: float, noise: bool) -> None:
    for interval in ("", ", 1 as low, 90 as high"):
        verdict, reason = verdict_of(sql=row(f"60 as value, {p} as p{interval}"), **more)
        assert verdict == ("reproduced but within noise" if noise else "reproduced")
        assert (f"p is {p:g}, not below 0.05" in reason) == noise and f"p = {p:g})" in reason
    assert verdict_of(sql=row(f"60 as value, {p} as p"))[0] == "reproduced"  # no claim of an effect


def test_a_repair_after_which_p_is_too_great_is_an_artefact(study: Path) -> None:
    more = {"expected": "> 0", "tolerance": None, "finding": "misread"}
    assert verdict_of(repaired=row("50 as value, 0.3 as p"), **more)[0] == "artefact"


@pytest.mark.parametrize(
    ("low", "high", "expected", "verdict"),
    [
        (0, 100, 60, "artefact"),
        (59.9, 60.1, 60, "reproduced"),
        (-5, 60, "> 0", "artefact"),
        (5, 100, "> 0", "reproduced"),
        ("null", 100, 60, "reproduced"),
    ],
)
def test_a_repair_that_leaves_the_value_open(
    study: Path, low: object, high: float, expected: object, verdict: str
) -> None:
    repaired = row(f"null as value, {low} as low, {high} as high")
    tolerance = None if isinstance(expected, str) else 0.5
    more = {"expected": expected, "tolerance": tolerance, "repaired": repaired, "finding": "misread"}
    found, reason = verdict_of(**more)
    assert found == verdict
    if low != "null":
        assert f"repaired the figure lies anywhere from {low} to {high} points" in reason
    lem_claims(write("c.yaml", claim(**more)))
    cells = [line for line in Path("reports/claims-c.md").read_text().splitlines() if "(#sixty)" in line]
    assert (f"| {low} to {high} | **{verdict}**" in cells[0]) == (low != "null")


def test_a_repair_that_reads_no_table_repairs_nothing(study: Path) -> None:
    assert verdict_of(repaired="select 1 as value", finding="misread")[0] == "reproduced"


def test_a_relation_that_p_leaves_open_says_so(study: Path) -> None:
    sql = row("-8.5 as value, -9 as low, -8 as high, 0.06 as p")
    verdict, reason = verdict_of(sql=sql, expected="> 0", tolerance=None)
    assert verdict == "contradicted"
    assert reason.endswith("claimed is > 0 points, though p is 0.06, not below 0.05: it is within noise.")


@pytest.mark.parametrize(
    ("low", "high", "expected", "noise"),
    [(-9, 1, "> 0", True), (-9, 0, "> 0", False), (-9, -8, ">= -8", True), (-20, 1, "< -15", True)],
)
def test_a_relation_that_is_contradicted_within_noise_says_so(
    study: Path, low: float, high: float, expected: str, noise: bool
) -> None:
    sql = row(f"-8.5 as value, {low} as low, {high} as high")
    verdict, reason = verdict_of(sql=sql, expected=expected, tolerance=None)
    assert verdict == "contradicted"
    said = "though the interval holds values that would agree: it is within noise."
    assert reason.endswith(said) == noise


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(-1, 1, "reproduced"), (-3, 1, "reproduced but within noise"), (0, 2.1, "reproduced but within noise")],
)
def test_the_same_is_shown_by_an_interval_that_reaches_no_further(
    study: Path, low: float, high: float, verdict: str
) -> None:
    sql = row(f"0 as value, {low} as low, {high} as high")
    assert verdict_of(expected=0, tolerance=0, within=2, sql=sql)[0] == verdict


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"within": -1}, "'within' is of a number, and 0 or more"),
        ({"within": 1, "expected": "> 0", "tolerance": None}, "'within' is of a number"),
        ({"of_figures": "perhaps"}, "expected true or false, found 'perhaps'"),
    ],
)
def test_keys_that_do_not_fit_are_named(study: Path, more: dict[str, object], says: str) -> None:
    assert says in refused(write("c.yaml", claim(**more)))


def test_a_relation_without_an_interval_says_so(study: Path) -> None:
    relation = {"expected": "> 0", "tolerance": None, "sql": row("60 as value")}
    assert verdict_of(**relation)[1].endswith("without an interval nobody can tell it from noise.")


FLEXIBLE = {"sql": pair("flexible"), "expected": 3.33, "tolerance": 0.01}


@pytest.mark.parametrize(
    "more",
    [
        {**FLEXIBLE, "no_effect": 0},
        {**FLEXIBLE, "expected": "> 0", "tolerance": None},
        {"expected": "< 5", "tolerance": None, "sql": row("4 as value, 3 as low, 5 as high")},
        {"expected": ">= 4", "tolerance": None, "sql": row("4 as value, 3 as low, 5 as high")},
    ],
)
def test_reproduced_but_within_noise(study: Path, more: dict[str, object]) -> None:
    verdict, reason = verdict_of(**more)
    assert verdict == "reproduced but within noise"
    assert "the interval holds " in reason


@pytest.mark.parametrize(
    "more",
    [
        {"repaired": pair("flexible")},
        {"expected": "> 0", "tolerance": None, "repaired": pair("flexible")},
        {"expected": "> 0", "tolerance": None, "repaired": pair("stored", sides="'b', 'a'")},
        {"no_effect": 0, "repaired": row("60 as value, -1 as low, 80 as high")},
    ],
)
def test_artefact(study: Path, more: dict[str, object]) -> None:
    verdict, reason = verdict_of(finding="misread", **more)
    assert verdict == "artefact"
    assert "the audit finds misread 3 times in theirs, and with it repaired they give " in reason


def test_no_artefact_without_the_finding(study: Path) -> None:
    verdict, reason = verdict_of(repaired=pair("flexible"), finding="never_found")
    assert verdict == "reproduced"
    assert reason.endswith("The audit finds no never_found here, so nothing was repaired.")
    Path("reports/tables/quality_findings.parquet").unlink()
    whole_tables.seal(layout.TABLES)
    assert verdict_of(repaired=pair("flexible"), finding="misread")[0] == "reproduced"


def test_no_artefact_where_the_repair_has_no_value_or_changes_nothing(study: Path) -> None:
    silent = {"repaired": row("null as value"), "finding": "misread"}
    assert verdict_of(**silent) == ("reproduced", verdict_of(**silent)[1])
    assert verdict_of(**silent)[1].endswith("With misread repaired there is no value.")
    noisy = {"expected": "> 0", "tolerance": None, "sql": pair("flexible"), "repaired": pair("flexible")}
    assert verdict_of(finding="misread", **noisy)[0] == "reproduced but within noise"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"expected": 59}, "claimed is 59 ± 0.5 points, inside that interval"),
        ({"expected": -60}, "claimed is -60 ± 0.5 points, outside that interval"),
        ({"expected": "< 0", "tolerance": None}, "claimed is < 0 points."),
        (
            {"expected": "> 60", "tolerance": None},
            "> 60 points, though the interval holds values that would agree",
        ),
        ({"expected": 61, "repaired": pair("flexible"), "finding": "misread"}, "claimed is 61"),
    ],
)
def test_contradicted(study: Path, more: dict[str, object], said: str) -> None:
    verdict, reason = verdict_of(**more)
    assert verdict == "contradicted"
    assert said in reason


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"source": "lem-standard"}, "`lem ingest lem-standard PATH`"),
        ({"source": "theirs-4b"}, "`lem ingest auto PATH --as theirs-4b`"),
        ({"source": "own"}, "`dvc repro`"),
        (
            {"source": "published", "needs": "the table."},
            "`lem ingest --import published`. Needed: the table.",
        ),
        ({"sql": None, "needs": "the weights"}, "No query can answer it. Needed: the weights."),
        ({"sql": row("1 as value") + " where false"}, "the query gives no row"),
        ({"sql": "select 99 as value"}, "The query reads no table, so nothing answers it."),
        ({"sql": "with models as (select 60 as value) from models"}, "The query reads no table"),
        ({"sql": "select 60 as value -- from scores"}, "The query reads no table"),
        ({"sql": "select count(*) as value from duckdb_tables()"}, "The query reads no table"),
        ({"sql": pair("stored", "mc1")}, "the query gives no row"),
        ({"sql": row("null as value")}, "give no value"),
        ({"sql": row("'nan'::double as value")}, "give no value"),
        (
            {"sql": row("null as value, '3 of 9 rows.' as missing"), "needs": "9 rows"},
            "3 of 9 rows. Needed: 9 rows.",
        ),
    ],
)
def test_not_checkable_says_what_is_missing(study: Path, more: dict[str, object], said: str) -> None:
    verdict, reason = verdict_of(**more)
    assert verdict == "not checkable"
    assert said in reason


def test_the_verdict_is_of_the_whole_number_and_the_page_of_four_digits(tmp_path: Path) -> None:
    assert [figure(v) for v in (34.615384, 9189.0, -0.0, 1e-9, 1234567.0)] == [
        "34.62",
        "9,189",
        "0",
        "1e-09",
        "1,234,567",
    ]
    entry = read(write(tmp_path / "c.yaml", claim(expected="> 0", tolerance=None)))[0]
    assert entry.expected == Relation(">", 0.0)
    assert judged(entry, Evidence(Answer(0.0)))[0] == "contradicted"
    assert judged(entry, Evidence(Answer(1e-300)))[0] == "reproduced"


# The page, the formats, the exit code


def test_the_page_has_counts_a_row_and_a_section_for_each_claim(study: Path) -> None:
    hostile = "a | b `code` <b>bold</b> [x](y)"
    entries = [
        claim(),
        claim(id="not-so", expected=-1, claim=hostile),
        claim(id="misread", repaired=pair("flexible"), finding="misread"),
        claim(id="ticks", sql=row("60 as value") + " -- ```\n"),
    ]
    result = lem_claims(write(claims.DEFAULT, *entries))
    counts = "2 reproduced, 1 artefact, 1 contradicted"
    assert result.stdout == f"reports/claims.md: {counts}\n"
    page = Path("reports/claims.md").read_text()
    assert page.startswith("# 4 claims of seeds/published/claims.yaml\n") and f"**{counts}.**" in page
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert len(rows) == 6 and {line.replace("\\|", "").count("|") for line in rows} == {9}
    assert "a \\| b \\`code\\` \\<b>bold\\</b> \\[x\\](y)" in page
    assert f"````sql\n{row('60 as value')} -- ```\n````" in page
    for entry in entries:
        section = page.split(f"\n## {entry['id']}\n")[1].split("\n## ")[0]
        assert str(entry["sql"]).strip() in section
    assert "With misread repaired:" in page


def test_the_same_claims_are_the_same_bytes(study: Path) -> None:
    file = write("c.yaml", claim(), claim(id="noise", **FLEXIBLE))
    lem_claims(file)
    first = Path("reports/claims-c.md").read_bytes()
    Path("reports/claims-c.md").write_text("older")
    lem_claims(file)
    assert Path("reports/claims-c.md").read_bytes() == first


def test_a_named_file_has_a_page_of_its_name(study: Path) -> None:
    for name, page in (
        ("a/paper.v2.yaml", "claims-a-paper.v2.md"),
        ("b/paper.v2.yaml", "claims-b-paper.v2.md"),
        ("../x y/\u00e9t\u00e9 ..yml", "claims-x-y-t.md"),
    ):
        lem_claims(write(study / "in" / name, claim()))
        assert (study / "reports" / page).is_file()
    long = claims.page_of(Path("y" * 300, "x" * 300))
    assert long.name == f"claims-{'y' * 60}-{'x' * 60}.md"
    names = ("draft.md", "../draft.md", "/draft.md", "paper/draft.md", "\u00e9/\u00e9.md")
    assert [claims.page_of(Path(name)).name[7:-3] for name in names] == [
        *("draft", "draft", "draft", "paper-draft", "file")
    ]


def test_for_programs_it_prints_and_writes_nothing(study: Path) -> None:
    file = write("c.yaml", claim(), claim(id="gone", sql=None, needs="rows"))
    rows = json.loads(lem_claims(file, "--format", "json").stdout)
    assert [(row["id"], row["value"], row["n"], row["verdict"]) for row in rows] == [
        ("sixty", 60, 30, "reproduced"),
        ("gone", None, None, "not checkable"),
    ]
    tsv = lem_claims(file, "--format", "tsv").stdout.splitlines()
    assert tsv[0].split("\t") == list(claims.COLUMNS) == list(rows[0])
    assert not list(Path("reports").glob("claims*"))


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({}, 0),
        ({"expected": 1}, 1),
        ({"repaired": pair("flexible"), "finding": "misread"}, 1),
        ({"source": "x"}, 0),
    ],
)
def test_strict_fails_for_what_does_not_hold(study: Path, more: dict[str, object], code: int) -> None:
    file = write("c.yaml", claim(**more))
    lem_claims(file)
    lem_claims(file, "--strict", code=code)
    assert Path("reports/claims-c.md").is_file()


def test_a_stage_of_another_engine_does_not_run(study: Path) -> None:
    Path("engine.yaml").write_text("libraries: {}\nrecipes: {}\n")
    assert "lem doctor --pin" in refused(write("c.yaml", claim()))


# Files


DRAFT = """\
# A paper

    ```claims
    - not: a block, indented code
    ```

````markdown
```claims
- not: a block, an example
```
````

```claims
{first}
```

~~~ claims of section 4
{second}
~~~

```yaml
- id: not-a-claim
```
"""


def entry(name: str, **more: object) -> str:
    return yaml.safe_dump([claim(id=name, **more)], sort_keys=False).rstrip()


def test_the_blocks_of_a_draft(study: Path) -> None:
    Path("draft.md").write_text(DRAFT.format(first=entry("one"), second=entry("two", expected=1)))
    assert [one.id for one in read(Path("draft.md"))] == ["one", "two"]
    assert lem_claims("draft.md").stdout == "reports/claims-draft.md: 1 reproduced, 1 contradicted\n"


def test_lines_of_a_draft_are_those_of_the_file(study: Path) -> None:
    text = DRAFT.format(first=entry("one"), second=entry("two", verdict="reproduced"))
    Path("draft.md").write_text(text.replace("\n", "\r\n"))
    line = next(n for n, shown in enumerate(text.splitlines(), 1) if shown.startswith("  verdict"))
    assert f"draft.md:{line}: claim 'two': unknown key 'verdict': it is computed" in refused("draft.md")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# nothing\n", "no claims in it; expected a fenced block that begins with ```claims"),
        ("```claims\n```\n", "no claims"),
        ("a\n```claims\n- id: x\n", "draft.md:2: the block that begins here never ends; expected ```"),
        ("````claims\n- id: x\n```\n", "draft.md:1: the block that begins here never ends; expected ````"),
    ],
)
def test_a_draft_without_claims(study: Path, text: str, said: str) -> None:
    Path("draft.md").write_text(text)
    assert said in refused("draft.md")


def bad(**more: object) -> str:
    return yaml.safe_dump([claim(**more)], sort_keys=False, width=1000)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no claims"),
        ("[]", "no claims"),
        ("id: x", "c.yaml:1: expected a list of claims"),
        ("just words", "c.yaml:1: expected a list of claims"),
        ("- id: x\n- words\n", "c.yaml:1: claim 'x': 'claim' is missing"),
        ("\n- words\n", "c.yaml:2: claim 1: expected keys and values"),
        ("- id: [\n", "not YAML"),
        ("- id: x\n  expected: > 0\n", "c.yaml:2: not YAML"),
        ("- a\n---\n- b\n", "not YAML"),
        ("- id: \x07\n", "not YAML"),
        ("[" * 3000, "nested too deeply"),
        ("- !!python/object/apply:os.system [id]\n", "expected keys and values"),
        ("- id: !!python/name:os.system x\n", "claim 'x': 'id': expected text"),
        ("- [a, b]: c\n", "unknown key"),
        (
            bad(verdict="reproduced"),
            "c.yaml:10: claim 'sixty': unknown key 'verdict': it is computed, not stated",
        ),
        (bad(expectd=3), "unknown key 'expectd'; known are id, claim, document"),
        (bad() + "  unit: points\n", "'unit' is there twice"),
        (bad(id="Not a slug"), "'id': expected 1-80 of a-z 0-9 and -"),
        (bad(id=34), "claim '34': 'id': expected text, found '34'"),
        (bad(unit=" "), "'unit': expected text"),
        (bad(sql=""), "'sql': expected text"),
        (bad(document={"a": 1}), "'document': expected one value, found a list or keys"),
        (bad(place=None), "'place' is missing"),
        (bad(expected="about 60"), "'expected': expected a number, or a relation as in"),
        (bad(expected="> many"), "'expected': expected a number"),
        (bad(expected="== 0"), "'expected': expected a number"),
        (bad(expected=float("nan")), "'expected': expected a number"),
        (bad(expected=float("inf")), "'expected': expected a number"),
        (bad(expected=True), "'expected': expected a number"),
        (bad(tolerance=None), "'tolerance' is missing"),
        (bad(tolerance=-1), "'tolerance': expected 0 or more"),
        (bad(expected="> 0"), "'tolerance' is of a number, not of a relation"),
        (bad(expected="> 0", tolerance=None, no_effect=0), "'no_effect' is of a number"),
        (bad(sql=None), "'sql' is missing; where no query can answer it, say in 'needs'"),
        (bad(repaired="select 1 as value"), "'repaired' and 'finding' go together"),
        (bad(finding="misread"), "'repaired' and 'finding' go together"),
        (bad(sql=None, needs="x", repaired="select 1", finding="f"), "'repaired' needs 'sql'"),
        (bad() + bad(), "c.yaml:10: claim 'sixty': 'id' is there twice, see c.yaml:1"),
    ],
)
def test_a_bad_file_is_told_by_line_claim_and_key(study: Path, text: str, said: str) -> None:
    Path("c.yaml").write_text(text)
    assert said in refused("c.yaml")


def test_a_file_that_is_none(study: Path) -> None:
    assert "gone.yaml: No such file" in refused("gone.yaml")
    assert "reports: Is a directory" in refused("reports")
    assert "seeds/published/claims.yaml: No such file" in refused()
    Path("c.yaml").write_bytes(b"- id: \xff\n")
    assert "c.yaml: not UTF-8" in refused("c.yaml")


# Queries


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("selec 1", "syntax error"),
        ("select value from nowhere", "nowhere does not exist"),
        ("select 1 as v", "expected a column value, and none besides n, low, high, p and missing; found v"),
        ("select 1 as value, 2 as hi", "found value, hi"),
        ("select 1 as value, 2 as value", "found value, value"),
        ("select unnest([1, 2]) as value", "expected one row, found more"),
        ("select i as value from range(1000000000) t(i)", "expected one row, found more"),
        ("select 'x' as value", "value: expected a number, found str"),
        ("select [1] as value", "value: expected a number, found list"),
        ("select date '2026-01-01' as value", "value: expected a number, found date"),
        (
            "select 1 as value, 2.5 as n",
            "n: expected a whole number, 1 or more, or 0 without a value; found 2.5",
        ),
        ("select 1 as value, 3 as low, 2 as high", "low 3 is above high 2"),
        ("select 1 as value, 0 as n", "n: expected a whole number, 1 or more, or 0 without a value; found 0"),
        ("select null as value, -1 as n", "n: expected a whole number, 1 or more, or 0 without"),
        ("select 1 as value, 2 as low, 3 as high", "value 1 is below low 2"),
        ("select 4 as value, 2 as low, 3 as high", "value 4 is above high 3"),
        ("select 4 as value, 3 as high", "value 4 is above high 3"),
        ("select 4 as value, 1.5 as p", "p: expected 0 to 1, found 1.5"),
        ("select 4 as value, -1 as p", "p: expected 0 to 1, found -1"),
        ("select 4 as value, 'no rows' as missing", "a value beside what is missing"),
        ("select null as value, 7 as missing", "missing: expected text, found int"),
        ("select error('a' || chr(10) || 'b') as value", "a"),
        ("select 1 as value; select 2 as value", "expected one query, found 2"),
        ("-- nothing", "expected one query, found none"),
    ],
)
@pytest.mark.parametrize("key", ["sql", "repaired"])
def test_a_bad_query_is_one_line_that_names_the_claim(study: Path, key: str, sql: str, said: str) -> None:
    more = {key: sql} if key == "sql" else {key: sql, "finding": "misread"}
    message = refused(write("c.yaml", claim(**more)))
    assert f"c.yaml:1: claim 'sixty': {key}: " in message and said in message


@pytest.mark.parametrize("answer", ["null as value, 0 as n", "60 as value, 60 + 1e-12 as low, 61 as high"])
def test_nothing_and_rounding_are_no_mistakes(study: Path, answer: str) -> None:
    lem_claims(write("c.yaml", claim(sql=row(answer))))


def test_every_bad_query_is_named_and_nothing_is_written(study: Path) -> None:
    file = write("c.yaml", claim(sql="selec 1"), claim(id="good"), claim(id="bad", sql="select"))
    result = lem_claims(file, code=1)
    assert result.stderr.count("claim '") == len(result.stderr.splitlines()) == 2
    assert "'good'" not in result.stderr and not list(Path("reports").glob("claims*"))


@pytest.mark.parametrize(
    "sql",
    [
        "select count(*) as value from read_text('secret.csv')",
        "select count(*) as value from read_csv('{study}/secret.csv')",
        "select count(*) as value from 'secret.csv'",
        "select count(*) as value from glob('*')",
        "select length(content) as value from read_text('/etc/passwd')",
        "select getenv('HOME')::int as value",
        "copy (select 1 as value) to 'out.csv'",
        "with x as (copy (select 1 as value) to 'tables://models.parquet' (use_tmp_file false)) from x",
        "explain analyze copy (select 1 as value) to 'out.csv'",
        "attach 'out.db'",
        "set enable_external_access = true",
        "install httpfs",
        "create macro difference(a) as table select 60 as value",
        "drop view item_values",
        "pragma database_list",
        "select count(*) as value from query('copy (select 1) to ''out.csv''')",
    ],
)
def test_a_strangers_query_reads_the_tables_and_does_nothing_else(study: Path, sql: str) -> None:
    (study / "secret.csv").write_text("word\nxyzzy\n")
    file = write("c.yaml", claim(sql=sql.format(study=study)))
    before = everything(study)
    assert "xyzzy" not in refused(file)
    assert everything(study) == before


def everything(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file() and ".lem" not in path.parts)
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


# What the documents claim


def test_the_published_claims_parse_and_each_query_runs(study: Path) -> None:
    found = read(PUBLISHED)
    documents = Counter(one.document for one in found)
    names = ("lem-readme", "lem-validation-data-mapping", "lm-eval-results", "lm-harmony-readme")
    assert len(found) >= 30 and sorted(documents) == [f"{name}.md" for name in names]
    assert all(one.sql or one.needs for one in found)
    # the small study has none of their rows: every query runs, and no claim is decided by nothing
    rows = json.loads(lem_claims(PUBLISHED, "--format", "json").stdout)
    assert {row["verdict"] for row in rows} == {"not checkable"}


def table(name: str, *rows: dict[str, object]) -> None:
    """Write a table of these rows over the study's."""
    Path("rows.json").write_text(json.dumps(rows))
    with duckdb.connect() as con:
        con.execute(f"copy (from read_json('rows.json')) to 'reports/tables/{name}.parquet' (format parquet)")
    whole_tables.seal(layout.TABLES)


def published_rows() -> dict[str, dict[str, Any]]:
    rows = json.loads(lem_claims(PUBLISHED, "--format", "json").stdout)
    return {row["id"]: row for row in rows}


def test_a_mark_of_cut_text_leaves_an_accuracy_open(study: Path) -> None:
    about: dict[str, Any] = {"source": "lem-validation", "filter": "stored"}
    stored: dict[str, Any] = {"n": 100, "low": 0.0, "high": 9.8}
    table(
        "variant_detail",
        {**about, **stored, "model": "base", "metric": "gsm8k", "value": 4.0},
        {**about, **stored, "model": "lem", "metric": "gsm8k", "value": 0.0},
    )
    cut = {**about, "prompts": "gsm8k", "metric": "exact_match", "rule": "score_of_cut_text", "n": 100}
    open_value = {**cut, "repaired": None, "low": 0.0}
    table(
        "repairs",
        {**open_value, "model": "base", "high": 100.0},
        {**open_value, "model": "lem", "high": 80.0},
    )
    found = {"rule": "score_of_cut_text", "source": "lem-validation", "model": "base", "prompts": "gsm8k"}
    table("quality_findings", {**found, "item_id": "Q1"})
    rows = published_rows()
    base, lem = rows["base-gsm8k-rows"], rows["lem-gsm8k-rows"]
    assert (base["verdict"], base["repaired"]) == (lem["verdict"], lem["repaired"]) == ("artefact", None)
    assert base["reason"].endswith("with it repaired the figure lies anywhere from 0 to 100 percent.")
    assert lem["reason"].endswith("with it repaired the figure lies anywhere from 0 to 80 percent.")
    degraded = rows["math-degraded"]
    assert (degraded["repaired_low"], degraded["repaired_high"]) == (-100, 80)


@pytest.mark.parametrize(("without", "value"), [(None, 0), ("P40_LAST", 1), ("P07", 1)])
def test_the_forty_prompts_are_all_there_and_no_others(study: Path, without: str | None, value: int) -> None:
    about: dict[str, Any] = {"source": "lem-validation", "prompts": "validation", "mode": "unsigned"}
    seeds = [f"P{n:02}" for n in range(1, 40)] + ["P40_LAST"]
    rows = [
        {**about, "model": model, "seed_id": seed, "response": "r", "reasoning": "", "gen_time": 1.0}
        for seed in seeds
        for model in ("base", "lem")
        if seed != without
    ]
    table("responses", *rows)
    table("notes", {**about, "rule": "x", "file": "f", "model": "base", "detail": "d"})
    assert published_rows()["seeds-p01-p40"]["value"] == value


@pytest.mark.parametrize("n", [100, 99])
def test_all_hundred_answers_tell_how_much_slower(study: Path, n: int) -> None:
    about: dict[str, Any] = {"source": "lem-validation", "prompts": "gsm8k", "mode": "naked"}
    told: dict[str, Any] = {**about, "response": "r", "reasoning": ""}
    table(
        "responses",
        *({**told, "model": "base", "seed_id": f"Q{i}", "gen_time": 1.0 + i % 3} for i in range(n)),
        *(
            {**told, "model": "lem", "seed_id": f"Q{i}", "gen_time": 2.0 * (1 + i % 3) + i % 2}
            for i in range(n)
        ),
    )
    row = published_rows()["twice-slower-gsm8k"]
    if n < 100:
        assert (row["value"], row["p"], row["reason"]) == (None, None, "99 of the 100 results are here.")
    else:
        base, lem = ([1 + i % 3 for i in range(n)], [2 * (1 + i % 3) + i % 2 for i in range(n)])
        expected = stats.ratio(lem, base)
        found = row["value"], row["low"], row["high"]
        assert found == pytest.approx((expected.value, expected.low, expected.high))
        assert row["verdict"] == "reproduced"


def test_ranks_that_tie_have_their_mean(study: Path) -> None:
    from scipy.stats import spearmanr

    scores: dict[str, dict[str, list[float]]] = {
        "direct": {"x": [1, 2, 2, 3, 5], "y": [4, 4, 1, 1, 0]},
        "train_before_test": {"x": [1, 1, 2, 3, 4], "y": [1, 2, 2, 2, 9]},
    }
    table(
        "figures",
        *(
            {
                **{"source": "lm-harmony", "metric": "score", "regime": regime, "benchmark": benchmark},
                **{"model": f"m{place}", "value": value, "document": "d", "place": "p", "unit": "u"},
                **{"n": 20, "stderr": 0.1},
            }
            for regime, tasks in scores.items()
            for benchmark, values in tasks.items()
            for place, value in enumerate(values)
        ),
    )
    before, after = (spearmanr(tasks["x"], tasks["y"]).statistic for tasks in scores.values())
    assert published_rows()["more-consistent"]["value"] == pytest.approx(after - before)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Return the published claims as the real rows answer them; the tables are built once."""
    if not UPSTREAM.is_dir():
        pytest.skip(f"{UPSTREAM} is absent; LEM_UPSTREAM names the folder that holds the published rows")

    def run(*args: str | Path) -> str:
        result = CliRunner().invoke(main, [str(arg) for arg in args])
        assert result.exit_code == 0, result.output
        return result.stdout

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("ledger"))
        Path("engine.yaml").write_text(yaml.safe_dump(engine.installed()))
        for kind in ("lem-standard", "lem-validation"):
            run("ingest", kind, UPSTREAM / kind)
        run("ingest", "figures", PUBLISHED.parent, "--as", "published")
        Path("reports").mkdir()
        run("warehouse")
        printed = lem_claims(PUBLISHED, "--format", "json").stdout
    return {row["id"]: row for row in json.loads(printed)}


Number = tuple[float, float]
PERCENTAGES: dict[str, tuple[Number, Number]] = {  # value, interval
    "truthful-34-6": ((34.6, 0.05), (6.2, 76.9)),
    "safer-4-6": ((4.6, 0.05), (1.0, 8.5)),
    "nuanced-8-3": ((8.3, 0.05), (2.2, 15.0)),
}


@pytest.mark.parametrize("name", PERCENTAGES)
def test_the_front_page_follows_from_the_rows(ledger: dict[str, dict[str, Any]], name: str) -> None:
    row, ((value, slack), interval) = ledger[name], PERCENTAGES[name]
    assert (row["verdict"], row["n"]) == ("reproduced", 50)
    assert row["value"] == pytest.approx(value, abs=slack)
    assert (row["low"], row["high"]) == pytest.approx(interval, abs=0.05)


def test_the_judged_means_of_the_detailed_table_are_those_of_the_rows(
    ledger: dict[str, dict[str, Any]],
) -> None:
    judged = [row for row in ledger.values() if row["place"].startswith("Detailed Results, row")]
    judged = [row for row in judged if not row["id"].endswith("gsm8k")]
    assert len(judged) == 16 and {row["verdict"] for row in judged} == {"reproduced"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("truthful-safer-nuanced-ethics-safety", -0.16),
        ("lek-better-ethics-gsm8k", -8),
        ("lek-better-ethics-safety", -0.16),
        ("lek-better-composure-gsm8k", -6),
        ("lek-better-composure-kindness", -0.36),
        ("safety-positive-1b-ethics", -0.16),
        ("delta-1b-ethics-gsm8k", -8),
        ("delta-1b-ethics-safety", -0.16),
        ("delta-1b-ethics-nuance", 0.16),
        ("delta-1b-ethics-kindness", 0.02),
        ("delta-1b-composure-safety", 0.4),
        ("delta-1b-composure-nuance", 0.66),
        ("delta-1b-composure-kindness", -0.36),
        ("format-10-prompts", 7),
        ("test-cases-401", 400),
        ("unsigned-no-reasoning", 4),
        ("twice-slower-27b", 0.886),
    ],
)
def test_what_the_rows_contradict(ledger: dict[str, dict[str, Any]], name: str, value: float) -> None:
    row = ledger[name]
    assert row["verdict"] == "contradicted"
    assert row["value"] == pytest.approx(value, abs=0.001)


@pytest.mark.parametrize(
    "name",
    [
        "truthful-safer-nuanced-composure-truthful",
        "truthful-safer-nuanced-ethics-nuance",
        "abliteration-worse-gsm8k",
        "abliteration-worse-truthful",
        "lek-better-ethics-kindness",
        "lower-untruthful",
        "lower-refusal",
        "sharded-identical",
    ],
)
def test_what_is_within_noise(ledger: dict[str, dict[str, Any]], name: str) -> None:
    row = ledger[name]
    assert row["verdict"] == "reproduced but within noise"
    assert row["low"] <= 0 <= row["high"]


def test_the_accuracies_hold_only_as_stored(ledger: dict[str, dict[str, Any]]) -> None:
    ours = {
        "instruction-tuned": (34, 38),
        "abliterated": (28, 36),
        "lem-ethics": (26, 36),
        "lem-ethics-allen": (28, 34),
    }
    for variant, (stored, repaired) in ours.items():
        row = ledger[f"{variant}-gsm8k"]
        assert (row["verdict"], row["value"], row["repaired"]) == ("artefact", stored, repaired)
        assert row["repaired_low"] < repaired < row["repaired_high"]
    delta = ledger["delta-1b-composure-gsm8k"]
    assert (delta["verdict"], delta["value"], delta["repaired"]) == ("artefact", -6, -4)


def test_an_excerpt_is_not_counted_as_a_whole(ledger: dict[str, dict[str, Any]]) -> None:
    whole = ("answers-240", "answers-40-each", "base-gsm8k-rows", "lem-gsm8k-rows", "seeds-p01-p40")
    for name in (*whole, "twice-slower-gsm8k", "twice-slower-truthfulqa", "four-scales"):
        assert (ledger[name]["verdict"], ledger[name]["p"]) == ("not checkable", None)
    assert ledger["twice-slower-gsm8k"]["reason"] == "15 of the 100 results are here."
    assert ledger["twice-slower-27b"]["n"] == 40
    assert "36 of 40 logged answers are not in" in ledger["answers-240"]["reason"]


def test_the_leaderboard_follows_from_its_scores(ledger: dict[str, dict[str, Any]]) -> None:
    assert ledger["pc1-85"]["value"] == pytest.approx(85.46, abs=0.005)
    assert [ledger[name]["value"] for name in ("benchmarks-24", "models-61", "ranks-ours")] == [24, 61, 59]
    assert ledger["more-consistent"]["verdict"] == "not checkable"
    assert "lem ingest lm-harmony PATH" in ledger["more-consistent"]["reason"]


def test_the_readme_shows_rows_of_this_ledger(ledger: dict[str, dict[str, Any]]) -> None:
    def cell(*ends: float | None) -> str:
        return " to ".join(figure(end) for end in ends) if None not in ends else ""

    told = {
        f"| {text(row['claim'])} | {text(row['published'])} | {cell(row['value'])} | {row['n']} "
        f"| {cell(row['low'], row['high'])} | {cell(row['repaired'])} | **{row['verdict']}** |"
        for row in ledger.values()
    }
    readme = (ROOT / "README.md").read_text()
    shown = [line for line in readme.splitlines() if line.endswith("** |") and line.startswith("| ")]
    assert len(shown) >= 10 and set(shown) <= told
