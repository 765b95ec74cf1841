"""The statistics in SQL: the same numbers as `lem compare` and the tables, and null where there are none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from lem import compare, sandbox, sql_functions, stats, warehouse
from lem.record_files import write_json, write_jsonl
from lem.records import Item, Model, Run, Score, fields

TABLES = Path("reports/tables")
ITEMS = 30
RIGHT = {("a", "stored"): 24, ("b", "stored"): 6, ("a", "flexible"): 9, ("b", "flexible"): 8}


def score(model: str, reading: str, n: int) -> Score:
    right = float(n < RIGHT[model, reading])
    return Score(
        f"run-{model}", model, "quiz", f"Q{n:02}", "exact_match", right, filter=reading, source="theirs"
    )


def judged(model: str, n: int) -> Score:
    value = None if (model, n) == ("b", 29) else float(5 + (n % 3) * (model == "a"))
    error = "timed out" if value is None else None
    about = f"run-{model}", model, "quiz", f"Q{n:02}", "truthful", value, error
    return Score(*about, scorer="judge", filter="stored", source="theirs")


def write_study(max_tokens: tuple[int, int] = (64, 64)) -> None:
    """Write an import of two models over 30 questions below the working folder, and its tables."""
    root = Path("data/imported/theirs")
    write_jsonl(
        root / "items/quiz.jsonl",
        [Item("quiz", f"Q{n:02}", f"What is {n}?", str(n), f"sha {n}", "theirs") for n in range(ITEMS)],
    )
    for model, tokens in zip("ab", max_tokens, strict=True):
        write_json(root / f"baseline/{model}/model.json", Model(model, source="theirs"))
        told = {
            "run_id": f"run-{model}",
            "source": "theirs",
            "model": model,
            "prompts": "quiz",
            "mode": "naked",
        }
        sampling = {"temperature": 0.0, "max_tokens": tokens}
        write_json(
            root / f"logs/{model}-quiz-naked.json", Run(**{**dict.fromkeys(fields(Run)), **told, **sampling})
        )
        scores = [score(model, reading, n) for reading in ("stored", "flexible") for n in range(ITEMS)]
        scores += [judged(model, n) for n in range(ITEMS)]
        write_jsonl(root / f"scores/quiz/{model}.jsonl", scores)
    with closing(warehouse.build()) as con:
        warehouse.export(con, TABLES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_study()
    return folder


@pytest.fixture
def con(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with closing(sandbox.connect(folder / TABLES)) as con:
        yield con


def rows(con: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, object]]:
    found = con.execute(sql)
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def without_change(row: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in row.items() if name not in sql_functions.CHANGE}


@pytest.mark.parametrize(
    ("metric", "reading"), [("exact_match", "stored"), ("exact_match", "flexible"), ("truthful", "stored")]
)
def test_difference_is_that_of_lem_compare(
    con: duckdb.DuckDBPyConnection, folder: Path, metric: str, reading: str
) -> None:
    with closing(compare.opened(folder / TABLES)) as other:
        expected = [
            row
            for row in compare.compared(other, "theirs", "a", "b", metric=metric)
            if row["filter"] == reading
        ]
    found = rows(con, f"from difference('theirs', 'a', 'b', '{metric}', '{reading}')")
    assert len(found) == len(expected) == 1
    assert found[0]["n"] == (29 if metric == "truthful" else 30)
    assert list(found[0])[-4:] == [*sql_functions.CHANGE, "differs"]
    assert [without_change(row) for row in found] == [
        {name: expected[0][name] for name in without_change(found[0])}
    ]


def test_a_rate_differs_in_points_and_a_score_in_its_own_unit(con: duckdb.DuckDBPyConnection) -> None:
    columns = "select candidate_value, baseline_value, difference, unit, unscored"
    rate = f"{columns} from difference('theirs', 'a', 'b', 'exact_match', 'stored')"
    assert con.execute(rate).fetchall() == [(80, 20, 60, "points", 0)]
    judged = f"{columns} from difference('theirs', 'a', 'b', 'truthful', 'stored')"
    found = con.execute(judged).fetchall()[0]
    assert found[:3] == pytest.approx((5 + 28 / 29, 5, 28 / 29))
    assert found[3:] == ("points 1-10", 1)


def test_columns_and_subqueries_may_be_called_like_its_arguments(con: duckdb.DuckDBPyConnection) -> None:
    query = """
        with each as (
            from difference('theirs', 'a', 'b', 'exact_match', 'stored')
            union all
            from difference('theirs', 'b', 'a', 'exact_match', 'flexible')
        )
        select min(difference), max(difference), count(*) from each where prompts = 'quiz'
    """
    assert con.execute(query).fetchall()[0] == pytest.approx((-100 / 30, 60, 2))


@pytest.mark.parametrize("table", [*sql_functions.NEEDS, "lineage", "declared", "pairs", "main"])
def test_a_table_of_the_caller_stands_for_none_of_those_inside(
    con: duckdb.DuckDBPyConnection, table: str
) -> None:
    asked = "from difference('theirs', 'a', 'b', 'exact_match', 'stored')"
    for mine in ("select 1 as nothing", f"from main.{table} limit 0"):
        if mine.startswith("from") and table not in sql_functions.NEEDS:
            continue
        assert rows(con, f"with {table} as ({mine}) {asked}") == rows(con, asked) != []


def test_a_change_is_in_percent_of_the_baseline_and_knows_its_error(con: duckdb.DuckDBPyConnection) -> None:
    found = rows(con, "from difference('theirs', 'a', 'b', 'truthful', 'stored')")[0]
    ours = [5.0 + n % 3 for n in range(29)]
    apart = stats.ratio(ours, [5.0] * 29)
    assert apart.low is not None and apart.high is not None and apart.value is not None
    assert [found[name] for name in sql_functions.CHANGE] == pytest.approx(
        [100 * (end - 1) for end in (apart.value, apart.low, apart.high)]
    )
    rate = rows(con, "from difference('theirs', 'a', 'b', 'exact_match', 'stored')")[0]
    naive = [100 * float(str(rate[name])) / 20 for name in ("difference", "low", "high")]
    assert rate["change"] == pytest.approx(naive[0]) == 300
    assert float(str(rate["change_high"])) > naive[2] + 100  # 6 of 30 right is a baseline of much error


@pytest.mark.parametrize(
    "asked",
    [
        "'own', 'a', 'b', 'exact_match', 'stored'",
        "'theirs', 'x', 'b', 'exact_match', 'stored'",
        "'theirs', 'a', 'b', 'mc1', 'stored'",
        "'theirs', 'a', 'b', 'exact_match', 'strict'",
        "null, null, null, null, null",
    ],
)
def test_what_nobody_measured_has_no_row(con: duckdb.DuckDBPyConnection, asked: str) -> None:
    assert con.execute(f"from difference({asked})").fetchall() == []


def test_who_was_not_asked_alike_is_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_study((64, 128))
    with closing(sandbox.connect(TABLES)) as con:
        found = rows(con, "from difference('theirs', 'a', 'b', 'exact_match', 'stored')")
    assert [(row["differs"], row["difference"], row["n"]) for row in found] == [("sampling", None, 0)]
    assert [found[0][name] for name in sql_functions.CHANGE] == [None] * 3


def test_tables_that_lack_what_it_needs_can_still_be_asked(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "models.parquet").write_bytes((folder / TABLES / "models.parquet").read_bytes())
    with closing(sandbox.connect(tmp_path)) as con:
        assert con.execute("select count(*) from models").fetchall() == [(2,)]
        assert con.execute("select pc1_share([[1, 2], [2, 3], [3, 5]]) > 0.9").fetchall() == [(True,)]
        with pytest.raises(duckdb.CatalogException, match="difference"):
            con.execute("from difference('theirs', 'a', 'b', 'exact_match', 'stored')")


def test_tables_of_another_lem_can_still_be_asked(folder: Path, tmp_path: Path) -> None:
    for table in sql_functions.NEEDS:
        (tmp_path / f"{table}.parquet").write_bytes((folder / TABLES / "models.parquet").read_bytes())
    with closing(sandbox.connect(tmp_path)) as con:
        assert con.execute("select count(*) from item_values").fetchall() == [(2,)]
        with pytest.raises(duckdb.Error):
            con.execute("from difference('theirs', 'a', 'b', 'exact_match', 'stored')")


def test_a_connection_says_which_tables_a_query_opens(folder: Path) -> None:
    opened: set[str] = set()
    with closing(sandbox.connect(folder / TABLES, opened)) as con:
        for asked, read in {
            "select 1": set(),
            "select count(*) from models": {"models"},
            "with models as (from scores) select count(*) from models -- basis": {"scores"},
            'select count(*) from "models" join main.items on true': {"models", "items"},
            "from difference('theirs', 'a', 'b', 'exact_match', 'stored')": set(sql_functions.NEEDS),
        }.items():
            for _ in range(2):  # nothing is kept from the first time
                opened.clear()
                con.execute(asked).fetchall()
                assert opened == read


def test_two_rates_as_published(con: duckdb.DuckDBPyConnection) -> None:
    # Newcombe (1998), table II: 56 of 70 against 48 of 80, method 10; and the sides changed
    found = rows(con, "select unnest(rate_difference(56, 70, 48, 80))")[0]
    assert found == pytest.approx({"difference": 20, "low": 5.24, "high": 33.39}, abs=0.005)
    other = rows(con, "select unnest(rate_difference(48, 80, 56, 70))")[0]
    assert other == pytest.approx({"difference": -20, "low": -33.39, "high": -5.24}, abs=0.005)


@pytest.mark.parametrize(
    "counts", ["1, 0, 1, 2", "3, 2, 1, 2", "-1, 2, 1, 2", "null, 2, 1, 2", "1, 2, 1, null"]
)
def test_a_count_that_is_no_part_of_its_n_has_no_rate(con: duckdb.DuckDBPyConnection, counts: str) -> None:
    assert con.execute(f"select rate_difference({counts})").fetchall() == [(None,)]


def test_a_component_of_rows_of_sql(con: duckdb.DuckDBPyConnection) -> None:
    table = (
        "(values ('x', [1, 2]), ('y', [2, null]), ('z', [3, 4]), ('v', [4, 5]), ('w', null)) t (model, cells)"
    )
    share, scores = con.execute(
        f"select pc1_share(list(cells order by model)), pc1_scores(list(cells order by model)) from {table}"
    ).fetchall()[0]
    assert share == pytest.approx(1)
    v, w, x, y, z = scores
    assert (w, y) == (None, None) and x < z < v


@pytest.mark.parametrize("matrix", ["null", "[]", "[[1, 2], [2, 3]]", "[null, null, null]"])
def test_too_few_models_have_no_component(con: duckdb.DuckDBPyConnection, matrix: str) -> None:
    assert con.execute(f"select pc1_share({matrix})").fetchall() == [(None,)]


def test_paired_difference_of_nothing_is_null(con: duckdb.DuckDBPyConnection) -> None:
    for sides in ("null, [[1]]", "[], []", "[[1]], null"):
        asked = f"select paired_difference({sides}, [null], 'exact_match', 'stored', null)"
        assert con.execute(asked).fetchall() == [(None,)]


def test_paired_difference_of_lists_without_clusters(con: duckdb.DuckDBPyConnection) -> None:
    asked = """
        with sides as (
            select
                list([value] order by item_id) filter (model = 'a') as mine,
                list([value] order by item_id) filter (model = 'b') as theirs
            from item_values where metric = 'exact_match' and filter = 'stored'
        )
        select unnest(paired_difference(mine, theirs, null, 'exact_match', 'stored', null)) from sides
    """
    expected = rows(con, "from difference('theirs', 'a', 'b', 'exact_match', 'stored')")[0]
    told = (*sql_functions.FOUND, *sql_functions.CHANGE)
    assert rows(con, asked) == [{name: expected[name] for name in told}]


def test_a_rate_with_wilsons_interval(con: duckdb.DuckDBPyConnection) -> None:
    found = rows(con, "select unnest(rate(81, 263))")[
        0
    ]  # Newcombe (1998), "Two-sided confidence intervals", table I
    assert found == pytest.approx({"value": 30.80, "low": 25.53, "high": 36.62}, abs=0.005)
    for counts in ("1, 0", "3, 2", "-1, 2", "null, 2", "1, null"):
        assert con.execute(f"select rate({counts})").fetchall() == [(None,)]
