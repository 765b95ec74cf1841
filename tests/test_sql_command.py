"""`lem sql` over real Parquet: what it answers, how it prints, and that nothing gets out of it."""

from __future__ import annotations

import datetime
import hashlib
import io
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from importlib.resources import files
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

from lem import sandbox, sql_command
from lem.errors import LemError
from lem.sql_command import admit, connect, describe, render, sizes
from lem.whole_tables import Files

SCORES = """
    select * from (values
        ('base', 1, 0.5, null),
        ('base', 2, null, 'judge timed out'),
        ('tuned', 1, 1.0, null)
    ) t (model, item, value, error)
"""
ESCAPE = "with x as (copy (select 1 as a) to '{target}' (use_tmp_file false)) select * from x"


def parquet(path: Path, sql: str) -> None:
    with duckdb.connect() as con:
        con.execute(f"copy ({sql}) to '{path}' (format parquet)")


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    parquet(folder / "scores.parquet", SCORES)
    parquet(folder / "responses.parquet", "select i as id, 'r' || i as response from range(5000) t(i)")
    return folder


@pytest.fixture
def study(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a study's folder, the working directory, with two tables and a file that is none."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(written, tmp_path / "reports/tables")
    (tmp_path / "secret.csv").write_text("word\nxyzzy\n")
    return tmp_path


@pytest.fixture
def con(study: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(Path("reports/tables")) as con:
        yield con


def lem_sql(*args: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(sql_command.command, args, input=stdin)


def refused(*args: str, stdin: str | bytes | None = None) -> str:
    """Return what is said about a mistake; it is said by LemError, with exit code 1, and is short."""
    result = lem_sql(*args, stdin=stdin)
    assert (result.exit_code, result.stdout) == (1, ""), result.output
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.stderr.startswith("Error: ")
    assert "Traceback" not in result.stderr
    assert len(result.stderr.splitlines()) <= 8
    return result.stderr


def refusal(con: duckdb.DuckDBPyConnection, query: str) -> str:
    """Return why a query was not admitted or failed."""
    try:
        admit(con, query)
        answer = con.execute(query).fetchall()
    except (duckdb.Error, LemError) as err:
        return str(err)
    raise AssertionError(f"{query} was answered: {answer}")


def everything(folder: Path) -> dict[str, str]:
    """Return the hash of every file below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


# What it answers


def test_an_answer_in_a_pipe_is_tsv(study: Path) -> None:
    result = lem_sql("select model, count(value) as n from scores group by model order by model")
    assert (result.exit_code, result.stdout) == (0, "model\tn\nbase\t1\ntuned\t1\n")


def test_a_query_may_begin_with_a_comment(study: Path) -> None:
    assert lem_sql("--format", "csv", "-- one\nselect 1 as n").stdout == "n\n1\n"
    assert lem_sql("--tabels").exit_code == 2


def test_a_query_from_standard_input(study: Path) -> None:
    assert lem_sql("-", stdin=b"\xef\xbb\xbfselect 'caf\xc3\xa9' as word;\n").stdout == "word\ncafé\n"
    assert "not UTF-8" in refused("-", stdin=b"select '\xe9'")


@pytest.mark.parametrize(
    "query",
    [
        "from scores",
        "with s as (from scores) select * from s",
        "/* all */ pivot scores on model using avg(value) group by item",
        "pivot scores on model in ('base', 'tuned') using avg(value) group by item",
        "explain select * from scores",
        "explain analyze from scores",
        "describe scores",
        "summarize scores",
        "show tables",
        "values (1)",
        "select * from query('select 1')",
        "from query_table('scores')",
        "select 1; -- and no more",
    ],
)
def test_every_way_of_asking_is_admitted(study: Path, query: str) -> None:
    result = lem_sql(query)
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) > 1


def test_a_query_without_rows_prints_its_header(study: Path) -> None:
    nothing = "select model, value from scores where false"
    assert lem_sql(nothing).stdout == "model\tvalue\n"
    assert lem_sql(nothing, "--format", "csv").stdout == "model,value\n"
    assert lem_sql(nothing, "--format", "markdown").stdout == "| model | value |\n| --- | --- |\n"
    assert lem_sql(nothing, "--format", "json").stdout == "[]\n"
    assert "model" in lem_sql(nothing, "--format", "table").stdout


def test_the_tables_and_their_sizes(con: duckdb.DuckDBPyConnection) -> None:
    assert sizes(con) == [("responses", 5000, 2), ("scores", 3, 4)]
    assert (
        lem_sql("--tables", "--format", "csv").stdout == "table,rows,columns\nresponses,5000,2\nscores,3,4\n"
    )


def test_a_table_described_with_its_nulls(con: duckdb.DuckDBPyConnection) -> None:
    assert [row[::2] for row in describe(con, "scores")] == [
        ("model", 0),
        ("item", 0),
        ("value", 1),
        ("error", 2),
    ]
    assert (
        lem_sql("--describe", "responses").stdout
        == "column\ttype\tnulls\nid\tBIGINT\t0\nresponse\tVARCHAR\t0\n"
    )


def test_a_replaced_file_is_read_at_the_next_call(study: Path) -> None:
    parquet(study / "new.parquet", "select 'fresh' as state")
    (study / "new.parquet").replace("reports/tables/scores.parquet")
    assert lem_sql("from scores").stdout == "state\nfresh\n"


def test_a_file_name_of_any_kind_is_a_table(study: Path) -> None:
    with duckdb.connect() as con:
        con.execute("copy (select 7 as n) to 'plain.parquet'")
    Path("plain.parquet").replace('reports/tables/it\'s "odd" [1]*.parquet')
    assert lem_sql("""select n from "it's ""odd"" [1]*" """).stdout == "n\n7\n"
    assert """it's "odd" [1]*\t1\t1""" in lem_sql("--tables").stdout


# What it says to a mistake


def test_an_unknown_name_lists_those_there_are(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = study / "sql/named"
    named.mkdir(parents=True)
    monkeypatch.setattr(sql_command, "files", lambda package: study)
    assert "no query is called '@best'; there are: none" in refused("@best")
    for name in ("worst", "best"):
        (named / f"{name}.sql").write_text(f"-- the {name}\nselect max(value) as {name} from scores\n")
    assert "no query is called '@'; there are: @best, @worst" in refused("@")
    assert "there are: @best, @worst" in refused("@../../secret")
    assert lem_sql("@best").stdout == "best\n1.0\n"
    assert lem_sql("@worst", "--format", "csv").stdout == "worst\n1.0\n"


def test_a_named_query_without_a_folder_of_them(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_command, "files", lambda package: study)
    assert "there are: none" in refused("@best")


def test_every_query_that_has_a_name_is_one_query_with_a_comment(study: Path) -> None:
    folder = files("lem").joinpath(*sql_command.NAMED)
    for file in folder.iterdir() if folder.is_dir() else ():
        text = sql_command.named(file.name.removesuffix(".sql"))
        assert text.startswith("-- ")
        with connect(Path("reports/tables")) as con:
            admit(con, text)


def test_without_tables_it_says_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = refused("select 1")
    assert "dvc repro" in said and "lem warehouse" in said and "dvc pull" in said


def test_a_file_that_is_no_parquet_is_named(study: Path) -> None:
    Path("reports/tables/broken.parquet").write_text("md5: 0123456789abcdef0123456789abcdef\n")
    assert "reports/tables/broken.parquet" in refused("from scores")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("selec 1", 'syntax error at or near "selec"'),
        ("from nowhere", "nowhere does not exist"),
        ("select vlaue from scores", '"value"'),
        ("select * from scores where model = ?", "parameters"),
        ("select 'x' || chr(55296)", "Invalid"),
    ],
)
def test_bad_sql_is_answered_in_duckdbs_words_with_the_tables(study: Path, query: str, said: str) -> None:
    answer = refused(query)
    assert said in answer
    assert "The tables are: responses, scores." in answer


def test_an_unknown_table_to_describe(study: Path) -> None:
    assert "The tables are: responses, scores." in refused("--describe", "nowhere")


@pytest.mark.parametrize("args", [(), ("select 1", "--tables"), ("--tables", "--describe", "scores")])
def test_one_thing_at_a_time(study: Path, args: tuple[str, ...]) -> None:
    assert "--describe TABLE" in refused(*args)


@pytest.mark.parametrize("query", ["", "-- nothing", "select 1; select 2", "select 1; drop view scores"])
def test_exactly_one_query(study: Path, query: str) -> None:
    assert "expected one query, found" in refused("-", stdin=query)


# What it does not let out


@pytest.fixture(scope="module")
def prison(written: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a study's folder for all attacks together: none may change anything in it."""
    folder = tmp_path_factory.mktemp("study")
    shutil.copytree(written, folder / "reports/tables")
    (folder / "secret.csv").write_text("word\nxyzzy\n")
    (folder / ".tmp").mkdir()  # where DuckDB spills, were it allowed to
    return folder


@pytest.fixture(scope="module")
def prisoner(prison: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(prison / "reports/tables") as con:
        yield con


@pytest.fixture
def unchanged(prison: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(prison)
    before = everything(prison)
    yield
    assert everything(prison) == before


@pytest.mark.parametrize(
    "query",
    [
        "select * from read_csv('secret.csv')",
        "select * from read_text('secret.csv')",
        "select * from read_blob('{study}/secret.csv')",
        "select * from 'secret.csv'",
        "select * from glob('*')",
        "select * from glob('{study}/reports/tables/*')",
        "select * from read_text('tables://../../secret.csv')",
        "select * from read_text('tables://secret.csv')",
        "select * from read_text('{study}/reports/tables/scores.parquet')",
        "select * from read_csv('/etc/passwd')",
        "select * from read_text('/proc/self/environ')",
        "select * from read_text('.tmp/spilled')",
        "select * from read_json('https://example.org/x.json')",
        "select * from sniff_csv('secret.csv')",
        "select * from parquet_metadata('{study}/reports/tables/scores.parquet')",
        "describe select * from read_csv('secret.csv')",
        "explain analyze select * from read_csv('secret.csv')",
        "select * from query('select * from read_text(''secret.csv'')')",
        "select * from query_table('secret.csv')",
        "select * from duckdb_secrets()",
        "select getenv('HOME')",
        "select * from enable_logging(storage = 'file', storage_path = '{study}/log')",
        "select * from enable_profiling(save_location = '{study}/profile.json')",
        "select * from load_aws_credentials()",
    ],
)
@pytest.mark.usefixtures("unchanged")
def test_nothing_but_the_tables_can_be_read(
    prisoner: duckdb.DuckDBPyConnection, prison: Path, query: str
) -> None:
    said = refusal(prisoner, query.format(study=prison))
    assert any(
        why in said
        for why in ("disabled by configuration", "has been locked", "not exist", "not in the catalog")
    ), said


@pytest.mark.parametrize(
    "query",
    [
        "copy scores to 'out.csv'",
        "copy (select 1) to 'tables://scores.parquet' (use_tmp_file false)",
        "copy (pivot scores on model using avg(value)) to 'out.csv'",
        "copy scores from 'secret.csv'",
        "attach 'out.db'",
        "attach ':memory:' as other",
        "detach memory",
        "install httpfs",
        "load httpfs",
        "update extensions",
        "export database 'out'",
        "import database 'out'",
        "pragma database_list",
        "pragma enable_profiling",
        "set threads = 1",
        "set enable_external_access = true",
        "reset lock_configuration",
        "use memory",
        "call query('select 1')",
        "create table t as select 1",
        "create table t as pivot scores on model using avg(value)",
        "create secret (type s3)",
        "insert into scores values (1)",
        "drop view scores",
        "begin",
        "vacuum",
        "checkpoint",
        "prepare q as select 1",
    ],
)
@pytest.mark.usefixtures("unchanged")
def test_only_questions_are_admitted(prisoner: duckdb.DuckDBPyConnection, query: str) -> None:
    assert "only SELECT, EXPLAIN and DESCRIBE can be asked" in refusal(prisoner, query)


WRITES = {
    "a cte": ESCAPE,
    "a cte in brackets": f"({ESCAPE})",
    "an unused cte": ESCAPE.replace("* from x", "1"),
    "a cte before a pivot": ESCAPE.replace("select * from x", "pivot scores on model using avg(value)"),
    "explain analyze": "explain analyze copy (select 1 as a) to '{target}' (use_tmp_file false)",
    "a pivot explained": "explain analyze copy (pivot scores on model using avg(value)) to '{target}'",
    "overwrite": "explain analyze copy (select 1 as a) to '{target}' (use_tmp_file false, overwrite true)",
    "append": "explain analyze copy (select 1 as a) to '{target}' (use_tmp_file false, append true)",
    "partitions": "explain analyze copy (select 1 as a, 2 as b) to '{target}' (partition_by a, overwrite)",
    "query()": "select * from query('" + ESCAPE.replace("'", "''") + "')",
}


NO_WRITING = ("cannot be written", "disabled by configuration", "must be at the top level")
ELSEWHERE = ["reports/tables/scores.parquet", "out.parquet", ".tmp/out.parquet", "tables://"]


@pytest.mark.parametrize(
    ("way", "target"),
    [(way, "tables://scores.parquet") for way in WRITES] + [("a cte", target) for target in ELSEWHERE],
)
@pytest.mark.usefixtures("unchanged")
def test_no_way_of_writing_that_passes_for_a_question(
    prisoner: duckdb.DuckDBPyConnection, way: str, target: str
) -> None:
    said = refusal(prisoner, WRITES[way].format(target=target))
    assert any(why in said for why in NO_WRITING), said


@pytest.mark.parametrize("target", ["tables://scores.parquet", *ELSEWHERE])
@pytest.mark.usefixtures("unchanged")
def test_a_serialised_write_is_refused(prisoner: duckdb.DuckDBPyConnection, target: str) -> None:
    asked = "select json_serialize_sql(?::varchar)"
    serialised = prisoner.execute(asked, [ESCAPE.format(target=target)]).fetchall()[0][0]
    assert '"error":false' in serialised
    said = refusal(prisoner, f"from json_execute_serialized_sql($${serialised}$$)")
    assert any(why in said for why in NO_WRITING), said


@pytest.mark.parametrize(
    "query",
    [
        "copy (select 1) to 'tables://scores.parquet' (use_tmp_file false)",
        "copy (select 1) to 'reports/tables/scores.parquet' (use_tmp_file false)",
        "copy (select 1) to 'out.csv'",
        "copy (select 1) to '.tmp/out.csv'",
        "attach 'out.db'",
        "export database 'out'",
        "load httpfs",
        "set enable_external_access = true",
        "set allowed_directories = ['/']",
        "set temp_directory = '.'",
        "set lock_configuration = false",
    ],
)
@pytest.mark.usefixtures("unchanged")
def test_the_connection_holds_without_the_admission(prisoner: duckdb.DuckDBPyConnection, query: str) -> None:
    with pytest.raises(duckdb.Error):
        prisoner.execute(query)


def test_what_an_attack_is_told_is_short(study: Path) -> None:
    assert "the tables cannot be written" in refused(ESCAPE.format(target="tables://scores.parquet"))
    assert "disabled by configuration" in refused("from read_text('secret.csv')")
    assert "only SELECT" in refused("drop view scores")


def test_admit_is_told_by_the_kind_of_the_statement(con: duckdb.DuckDBPyConnection) -> None:
    admit(con, "select 'drop table scores; copy scores to x'")
    with pytest.raises(LemError, match="this is COPY"):
        admit(con, "/* select */ copy scores to 'select'")


def test_nothing_is_spilled_to_disk(con: duckdb.DuckDBPyConnection) -> None:
    assert con.execute("select current_setting('temp_directory')").fetchall() == [("",)]


# How it prints


ROWS = [("a\tb\nc\\d|e\r", None), ('say "hi", é', 1.5)]


def test_tsv_escapes_what_would_break_a_row() -> None:
    assert render(["text", "n"], ROWS, "tsv") == 'text\tn\na\\tb\\nc\\\\d|e\\r\t\nsay "hi", é\t1.5\n'


def test_csv_quotes_what_would_break_a_row() -> None:
    assert render(["text", "n"], ROWS, "csv") == 'text,n\n"a\tb\nc\\d|e\r",\n"say ""hi"", é",1.5\n'


def test_markdown_escapes_what_would_break_a_row() -> None:
    printed = render(["te|xt", "n"], ROWS, "markdown")
    assert printed.splitlines() == [
        "| te\\|xt | n |",
        "| --- | --- |",
        "| a\tb<br>c\\\\d\\|e |  |",
        '| say "hi", é | 1.5 |',
    ]


def test_json_is_an_array_of_objects() -> None:
    day, moment = datetime.date(2025, 3, 1), datetime.datetime(2025, 3, 1, 12, 30)
    values = [
        None,
        True,
        3,
        0.1,
        Decimal("1.50"),
        day,
        moment,
        b"\xff",
        [1, None],
        {"when": day},
        float("nan"),
    ]
    names = [f"c{i}" for i in range(len(values))]
    plain = [
        None,
        True,
        3,
        0.1,
        1.5,
        "2025-03-01",
        "2025-03-01T12:30:00",
        "ff",
        [1, None],
        {"when": "2025-03-01"},
        None,
    ]
    text = render(names, [values, values], "json")
    assert json.loads(text) == [dict(zip(names, plain, strict=True))] * 2
    assert "NaN" not in text


def test_json_will_not_lose_one_of_two_columns_of_a_name(study: Path) -> None:
    assert "two columns are called a" in refused("select 1 as a, 2 as a", "--format", "json")
    assert lem_sql("select 1 as a, 2 as a").stdout == "a\ta\n1\t2\n"


def test_values_as_text() -> None:
    values = (None, True, datetime.date(2025, 3, 1), Decimal("1.50"), [1, None], {"a": "é"}, float("nan"))
    assert (
        render(list("abcdefg"), [values], "tsv").splitlines()[1]
        == '\ttrue\t2025-03-01\t1.50\t[1, null]\t{"a": "é"}\tnan'
    )


def test_types_as_duckdb_gives_them(study: Path) -> None:
    result = lem_sql(
        "select date '2025-03-01' d, 1.50::decimal(4,2) x, [1] l, {'a': 2} s, null n, map{1: 'm'} m"
    )
    assert result.stdout.splitlines()[1] == '2025-03-01\t1.50\t[1]\t{"a": 2}\t\t{"1": "m"}'
    assert re.fullmatch(r"20[0-9]{2}-.*[+-][0-9:]+", lem_sql("select now()").stdout.splitlines()[1])


def test_a_table_shows_null_and_keeps_markup_and_escapes_from_the_terminal() -> None:
    printed = render(["text", "n"], [("[red]x[/red] \x1b[31m", None)], "table")
    assert "[red]x[/red] \\x1b[31m" in printed and "NULL" in printed and "\x1b" not in printed


def test_a_table_without_a_terminal_is_cut_nowhere() -> None:
    assert "x" * 3000 in render(["text"] * 40, [["x" * 3000] * 40], "table")


def test_a_table_too_wide_for_the_terminal_stands_upright() -> None:
    names = [f"column_{i:02}" for i in range(20)]
    printed = render(names, [list(range(100, 120))] * 2, "table", width=80)
    assert max(map(len, printed.splitlines())) <= 80
    assert all(printed.count(name) == 2 for name in names) and printed.count("119") == 2


class Terminal(io.TextIOWrapper):
    """A standard output that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_on_a_terminal_it_is_a_table_of_so_many_rows(
    study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    screen = Terminal(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", screen)
    sql_command.command.main(["select id from responses order by id"], standalone_mode=False)
    printed = screen.buffer.getvalue().decode()  # type: ignore[attr-defined]
    assert "│ 999 " in printed and "│ 1000 " not in printed
    assert "first 1000 rows" in capsys.readouterr().err


def test_streaming_prints_every_row_once(study: Path) -> None:
    lines = lem_sql("select id from responses order by id").stdout.splitlines()
    assert lines == ["id", *map(str, range(5000))]


def test_rows_are_printed_before_the_last_is_known(study: Path) -> None:
    result = lem_sql(
        "select repeat('x', 100), case when i = 199999 then error('last') end from range(200000) t(i)"
    )
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) > sql_command.BATCH
    assert "last" in result.stderr and "Traceback" not in result.output


def lem_process(query: str, before: str = "", stdin: int | None = None) -> subprocess.Popen[bytes]:
    lem = [sys.executable, "-c", f"{before}\nfrom lem.cli import main; main()", "sql", query]
    return subprocess.Popen(lem, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_a_closed_pipe_ends_quietly(study: Path) -> None:
    with lem_process("select a.id, b.response from responses a, responses b limit 1000000") as run:
        assert run.stdout is not None and run.stderr is not None
        assert run.stdout.readline() == b"id\tresponse\n"
        run.stdout.close()
        assert run.stderr.read() == b""
    assert run.returncode == 1


def test_a_pipe_closed_before_a_short_answer_ends_quietly(study: Path) -> None:
    with lem_process("-", stdin=subprocess.PIPE) as run:
        assert run.stdin is not None and run.stdout is not None and run.stderr is not None
        run.stdout.close()
        run.stdin.write(b"select 1")
        run.stdin.close()
        assert run.stderr.read() == b""
    assert run.returncode == 1


def test_ctrl_c_ends_a_query_that_never_would(study: Path) -> None:
    forever = "select count(*) from range(1000000000000) t(i) where i % 7 = 3"
    tell = (
        "from lem import sql_command; admit = sql_command.admit\n"
        "sql_command.admit = lambda *args: (admit(*args), print('admitted', flush=True))\n"
    )
    with lem_process(forever, before=tell) as run:
        assert run.stdout is not None and run.stderr is not None
        assert run.stdout.readline() == b"admitted\n"
        time.sleep(0.2)  # into the query
        run.send_signal(signal.SIGINT)
        try:
            assert run.wait(timeout=5) == -signal.SIGINT
        finally:
            run.kill()
        assert run.stderr.read() == b""


def test_ctrl_c_is_as_it_was_afterwards(study: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        lem_sql("select 1")
        refused("selec 1")
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_thread_reads_on_where_it_was_and_not_where_another_is(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"0123456789")
    table = sandbox._Table(Files({"t": tmp_path / "t"}), "t")
    table.seek(2)
    with ThreadPoolExecutor(1) as other:
        other.submit(table.seek, 7).result()
        assert table.read(3) == b"234"
        assert other.submit(table.read, 2).result() == b"78"
    assert table.read(9) == b"56789"
