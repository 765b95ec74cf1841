"""Hostile SQL against the sandbox of `lem sql`: every way we know of to reach what is no table.

python -m torture statements

Each statement is tried twice on connections of its own: as `lem sql` asks it, and past the door that
admits only questions, since what holds a query back is the connection. What it reached is counted by
what happened: secrets in an answer or a message, files that changed or came up, knocks at a listener.
"""

from __future__ import annotations

import functools
import hashlib
import os
import resource
import socket
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torture.children import HUNG, Lost, outcomes
from torture.hostile_sql import statements
from torture.trial import Trial

SECRETS = {"content of a file": "xyzzy-7261", "name of a file": "plugh-9034", "environment": "frotz-5518"}
"""What stands in a file outside, in the name of one and in the environment; no statement says them."""
PASSWORDS = Path("/etc/passwd")
PATIENCE = 1.0  # seconds before a query is interrupted
HANGS = 8.0  # seconds before its process is killed: some functions hear no interrupt
ADDRESSES = 12 * 2**30  # bytes of address space: a memory bomb must not take the machine down
ROWS = 200  # of an answer that are looked at
REFUSED, HARMLESS, CLOCK = "refused", "harmless", "ended by the clock"


@dataclass(frozen=True)
class Case:
    """A statement's template, the trial's folder, and the port of its listener."""

    statement: str
    folder: Path
    port: int


@dataclass(frozen=True)
class Tried:
    """What came of a statement at the door and past it, and what it reached."""

    door: str
    past: str
    reached: tuple[str, ...] = ()


def run(folder: Path, templates: Sequence[str] | None = None) -> Trial:
    """Try every statement; reached must be 0."""
    knocks: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_listen, args=(listener, knocks), daemon=True).start()
        port = listener.getsockname()[1]
        cases = [Case(one, folder, port) for one in templates or statements()]
        tried = dict(outcomes(cases, attempt, HANGS))
    return told(cases, tried, knocks)


def told(cases: Sequence[Case], tried: dict[int, Any], knocks: Sequence[str]) -> Trial:
    """Return the figures, with a line for each statement that reached something or ended its process."""
    killed = sum(isinstance(one, Lost) and one.why == HUNG for one in tried.values())
    lost = {at: one for at, one in tried.items() if isinstance(one, Lost) and one.why != HUNG}
    whole = {at: one for at, one in tried.items() if isinstance(one, Tried)}
    door, past = Counter(one.door for one in whole.values()), Counter(one.past for one in whole.values())
    failures = [f"reached {why}: {_short(cases[at])}" for at, one in whole.items() for why in one.reached]
    failures += [f"{one.why}: {_short(cases[at])}" for at, one in lost.items()]
    failures += [f"reached the network: {knock!r:.120}" for knock in knocks]
    figures = {
        "statements": len(cases),
        **{f"{kind} by lem sql": door[kind] for kind in (REFUSED, HARMLESS, CLOCK)},
        **{f"{kind} past the door": past[kind] for kind in (REFUSED, HARMLESS, CLOCK)},
        "killed with their process": killed,
        "processes lost": len(lost),
        "reached": sum(bool(one.reached) for one in whole.values()) + len(knocks),
    }
    return Trial("statements", figures, failures)


def _short(case: Case) -> str:
    return f"{case.statement!r:.160}"


def _listen(listener: socket.socket, knocks: list[str]) -> None:
    """Keep the first bytes of whoever connects, until the listener is closed."""
    while True:
        try:
            visitor, _ = listener.accept()
        except OSError:
            return
        with visitor:
            visitor.settimeout(1)
            try:
                knocks.append(visitor.recv(200).decode("latin-1"))
            except OSError as err:
                knocks.append(f"nothing said: {err}")


def attempt(case: Case) -> Tried:
    """Try a statement at the door and past it in the study of this process."""
    study = _prepared(case.folder)
    before = _hashes(study.parent)
    door, said = asked(study, case, admitted=True)
    past, more = asked(study, case, admitted=False)
    reached = [
        f"the {what}" for what, secret in _secrets().items() if any(secret in text for text in (said, more))
    ]
    after = _hashes(study.parent)
    reached += [f"{name} on the disk" for name in sorted(before.items() ^ after.items())[:1]]
    return Tried(door, past, tuple(reached))


def asked(study: Path, case: Case, admitted: bool) -> tuple[str, str]:
    """Return what came of a statement, and all that was said: the answer's beginning, or the message."""
    import duckdb

    from lem import sandbox
    from lem.errors import LemError

    con = sandbox.connect(study / "reports/tables")
    clock = threading.Timer(PATIENCE, con.interrupt)
    clock.start()
    try:
        sql = _filled(con, case, study)
        sql.encode()  # as it comes from a command line: half a surrogate pair never gets further
        if admitted:
            sandbox.admit(con, sql)
        answer = con.execute(sql)
        return HARMLESS, repr(answer.fetchmany(ROWS) if answer and answer.description else "")
    except duckdb.InterruptException as err:
        return CLOCK, str(err)
    except (LemError, duckdb.Error) as err:
        return CLOCK if "INTERRUPT" in str(err) else REFUSED, str(err)
    except (RuntimeError, ValueError, MemoryError, OverflowError) as err:  # DuckDB's own, as Python has them
        return REFUSED, f"{type(err).__name__}: {err}"
    finally:
        clock.cancel()
        clock.join()
        con.close()


def _filled(con: Any, case: Case, study: Path) -> str:  # noqa: ANN401 (a DuckDB connection)
    sql = case.statement.replace("{outside}", str(study.parent / "outside"))
    sql = sql.replace("{study}", str(study)).replace("{port}", str(case.port))
    if not sql.startswith("@"):
        return sql
    plan = con.execute("select json_serialize_sql(?::varchar)", [sql[1:]]).fetchall()[0][0]
    return f"from json_execute_serialized_sql($json${plan}$json$)"


@functools.cache
def _prepared(folder: Path) -> Path:
    """Return a study for this process alone, in it; all that it could write lies below one folder."""
    import duckdb

    own = folder / str(os.getpid())
    study, outside, tables = own / "study", own / "outside", own / "study/reports/tables"
    for one in (tables, outside, own / "home", own / "tmp"):
        one.mkdir(parents=True)
    (outside / "canary.csv").write_text(f"word\n{SECRETS['content of a file']}\n")
    (outside / f"{SECRETS['name of a file']}.txt").touch()
    (own / "home/canary.csv").write_text(f"word\n{SECRETS['content of a file']}\n")
    (tables / "link.csv").symlink_to(outside / "canary.csv")
    with duckdb.connect() as con:
        for name in ("scores", "responses"):
            con.execute(
                f"copy (select range as a, 'r' || range as b from range(100)) to '{tables}/{name}.parquet'"
            )
    os.environ |= {"HOME": str(own / "home"), "TMPDIR": str(own / "tmp"), "CANARY": SECRETS["environment"]}
    os.chdir(study)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return study


@functools.cache
def _secrets() -> dict[str, str]:
    """Return what must be in no answer, by what it would be."""
    first = PASSWORDS.read_text().splitlines()[0] if PASSWORDS.is_file() else SECRETS["environment"]
    return SECRETS | {"list of users": first}


def _hashes(folder: Path) -> dict[str, str]:
    """Return the hash of every file below a folder; of a folder and a link that it is one."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file() and not path.is_symlink()
        else "no file"
        for path in folder.rglob("*")
    }
