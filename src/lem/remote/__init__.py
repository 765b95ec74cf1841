"""`lem remote`: where the data are shared; added without keys, pushed when whole, pulled with bytes hashed.

lem remote add mirror s3://bucket/study
lem remote list
lem remote push mirror
lem remote pull data/scores
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

import click

from lem.errors import LemError
from lem.screen import visible

if TYPE_CHECKING:
    from dvc.repo import Repo

    from lem.verify.objects import Tick
    from lem.verify.survey import File

SCHEMES = ("", "s3", "ssh", "http", "https")
LEVELS = ("local", "repo")
"""DVC's settings that are this study's own; those of the user and the system serve other studies too."""
FORMATS = ("table", "tsv", "json")


@click.group()
def command() -> None:
    """Where the data are shared: add a remote, push to it, pull from it.

    \b
    Example:
        lem remote add mirror s3://bucket/study
        lem remote list
        lem remote push mirror
        lem remote pull
    """


@command.command()
@click.argument("name")
@click.argument("url")
@click.option("--default", is_flag=True, help="Make it the remote that is asked first.")
@click.option("--endpoint", metavar="URL", help="Of a server that speaks S3; only in .dvc/config.local.")
def add(name: str, url: str, default: bool, endpoint: str | None) -> None:
    """Add a remote: a folder, s3://, ssh:// or, for reading only, http(s)://.

    Keys are never written down: S3 takes them from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, SSH from
    your agent or ~/.ssh. Every object that is fetched from it is verified.

    \b
    Example:
        lem remote add mirror s3://bucket/study --endpoint https://s3.example.org
    """
    from lem.verify import objects

    check(name, url, endpoint)
    with objects.opened() as repo:
        write(repo, name, url, default, endpoint)
    reading = ", for reading only" if urlsplit(url).scheme.startswith("http") else ""
    tell(
        f"Added remote {name}: {url}{reading}; fetched objects are verified. Commit .dvc/config to share it."
    )


@command.command("list")
@click.option("--format", "fmt", type=click.Choice(FORMATS), help="Default: table; in a pipe, tsv.")
def listed(fmt: str | None) -> None:
    """List the remotes: address, whether each can be reached, and what it lacks of this study.

    \b
    Example:
        lem remote list --format json
    """
    from lem.verify.page import rendered

    columns = ("name", "url", "default", "verify", "reachable", "missing", "error")
    rows = overview()
    click.echo(rendered(columns, rows, fmt or ("table" if sys.stdout.isatty() else "tsv")), nl=False)


@command.command()
@click.argument("name")
def remove(name: str) -> None:
    """Forget the remote NAME; what lies there stays.

    \b
    Example:
        lem remote remove mirror
    """
    from lem.verify import objects

    with objects.opened() as repo:
        held = [level for level in LEVELS if name in repo.config.load_one(level).get("remote", {})]
        if not held:
            there = ", ".join(repo.config["remote"]) or "none"
            raise LemError(f"{name}: no remote of this study's own settings; there are: {there}")
        was_default = repo.config["core"].get("remote") == name
        for level in held:
            with repo.config.edit(level) as settings:
                del settings["remote"][name]
                if settings["core"].get("remote") == name:
                    del settings["core"]["remote"]
        rest = [other for other in repo.config["remote"] if other != name]
    tell(f"Forgot remote {name}.")
    if was_default and rest:
        tell(f"There is no default remote now: dvc remote default {rest[0]}")


@command.command()
@click.argument("name", required=False)
@click.option("--dirty", is_flag=True, help="Push although files are not committed or stages are stale.")
def push(name: str | None, dirty: bool) -> None:
    """Publish the reference run: push to NAME (else the default remote), then hash what lies there.

    Refused while tracked files differ from the last commit, or stages are stale. Damaged objects of
    the remote are replaced; a copy of each is kept in .lem/damaged.

    \b
    Example:
        lem remote push mirror
    """
    from lem.remote.push import publish, pushable, unclean
    from lem.verify import objects
    from lem.verify.integrity import show

    with objects.opened() as repo, objects.bar() as tick:
        store = pushable(repo, name)
        if not dirty and (why := unclean(repo)):
            raise LemError(f"not pushed: {why}; commit and `dvc repro`, or push it as it is with --dirty")
        found = publish(repo, store, tell, tick)
    if found:
        click.echo(show(found, "table" if sys.stdout.isatty() else "tsv"), nl=False)
        raise LemError(f"{store.place}: {len(found)} objects are missing or damaged after the push")
    tell(f"{store.place} holds everything that this study's locks name, every byte hashed.")


@command.command()
@click.argument("targets", nargs=-1)
def pull(targets: tuple[str, ...]) -> None:
    """Fetch TARGETS (else everything) into the workspace, from whichever remote has them whole.

    The default remote is asked first, then the others. Every object is hashed before it is used,
    those in the cache too; damaged ones are moved to .lem/damaged. Edits of yours stay.

    \b
    Example:
        lem remote pull data/scores
    """
    from lem.remote.pull import pull as fetch
    from lem.verify import objects
    from lem.verify.integrity import show

    with objects.opened() as repo, objects.bar() as tick:
        left = fetch(repo, targets, tell, tick)
    if left:
        click.echo(show(left, "table" if sys.stdout.isatty() else "tsv"), nl=False)
        raise LemError(
            f"{len(left)} files are not what the locks name, each with its mend above; "
            "what is damaged on a remote: lem verify --integrity"
        )
    click.echo("Everything is in place, every byte hashed.")


def tell(text: str) -> None:
    """Print a line in which names of strangers' files are signs to read, no sequences to obey."""
    click.echo(visible(text))


def check(name: str, url: str, endpoint: str | None) -> None:
    """Raise LemError for a name or an address that DVC would take and nobody should write down."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]*", name):
        raise LemError(
            f"{name!r} is no name of a remote: small letters, digits, - _ . (DVC makes them small)"
        )
    scheme = _keyless(url, "URL").scheme
    _keyless(endpoint or "", "--endpoint")
    if scheme not in SCHEMES:
        raise LemError(f"{scheme}: not a folder, s3://, ssh:// or http(s)://")
    if endpoint and scheme != "s3":
        raise LemError(f"{url}: --endpoint is for s3:// only")
    if scheme == "ssh" and find_spec("dvc_ssh") is None:
        raise LemError(f"{url}: DVC needs its part for SSH; pip install 'dvc[ssh]'")


def _keyless(address: str, what: str) -> SplitResult:
    """Return the parts of an address; LemError, which does not repeat it, where it may hold a key."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        raise LemError(f"{what}: no address; expected a folder, s3://, ssh:// or http(s)://") from None
    extra = (parts.query or parts.fragment) and (parts.scheme or parts.netloc)
    if parts.password or (parts.username and parts.scheme != "ssh") or extra:
        shown = f"{parts.scheme}://{host}{parts.path}"
        raise LemError(f"{shown}: no keys in an address, it is committed; they come from the environment")
    return parts


def write(repo: Repo, name: str, url: str, default: bool, endpoint: str | None) -> None:
    """Write a remote into .dvc/config, its endpoint too: without it a colleague would ask another server."""
    if name in repo.config["remote"]:
        raise LemError(
            f".dvc/config: there is a remote {name!r}; take another name, or: lem remote remove {name}"
        )
    known = {"url": url, "verify": "true"} | ({"endpointurl": endpoint} if endpoint else {})
    with repo.config.edit("repo") as settings:
        settings["remote"][name] = known
        if default:
            settings["core"]["remote"] = name


def overview() -> list[Sequence[object]]:
    """Return (name, url, default, verify, reachable, missing, error) of each remote; no object is read."""
    from lem.verify import objects
    from lem.verify.survey import wanted

    rows: list[Sequence[object]] = []
    with objects.opened() as repo, objects.bar() as tick:
        files = _files(repo, tick)
        for name, settings in repo.config["remote"].items():
            default, verify = name == repo.config["core"].get("remote"), settings.get("verify", False)
            try:
                store = objects.remote(repo, name)
            except LemError as err:
                rows.append((name, str(settings["url"]), default, verify, False, None, err.message))
                continue
            needed = wanted(store, files)
            there = objects.held(store, needed, tick, objects.presence)
            missing = None if there.trouble else sum(map(there.lacks, needed))
            row = (name, store.url, default, verify, there.answers, missing, there.trouble or None)
            rows.append(row)
    return rows


def _files(repo: Repo, tick: Tick) -> list[File]:
    """Return the objects that remotes should have, by the listings that the cache or the workspace has."""
    from lem.verify import objects
    from lem.verify.locks import locked
    from lem.verify.survey import files_of, tree_of

    outs = [out for out in locked(repo)[0] if out.pushed]
    cache, folders = objects.cache(repo), [out for out in outs if out.info.isdir]
    here = objects.held(cache, [out.info for out in folders], tick)
    trees = {out.path: tree_of(repo, [(cache, here)], out) for out in folders}
    return [file for out in outs for file in files_of(out, trees.get(out.path))]
