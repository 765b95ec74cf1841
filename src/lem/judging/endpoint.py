"""An OpenAI-compatible endpoint: its address, its key, and how its replies and complaints are read.

    endpoint = Endpoint.of(JudgeSpec(url="http://127.0.0.1:8080/v1", model="qwen"))
    completion('{"choices": [{"message": {"content": "Yes."}}]}').reply   # 'Yes.'

The key comes from the environment and from nowhere else; no file, message or repr holds a piece of it.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from lem.errors import LemError
from lem.judging.spec import JudgeSpec

KEY_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
PIECE = 8  # characters of a key that are never shown together


@dataclass(frozen=True)
class Endpoint:
    """Where a judge is asked, by which name it goes there, and the key, which nothing prints."""

    url: str
    model: str
    key: str | None = field(repr=False)

    @classmethod
    def of(cls, spec: JudgeSpec) -> Endpoint:
        """Return the endpoint of a `judge` section, its key from the environment.

        Raises LemError where the address, the model or a needed key is missing.
        """
        if not spec.url:
            example = "an OpenAI-compatible endpoint, e.g. http://127.0.0.1:8080/v1"
            raise LemError(f"params.yaml: judge.url is null; write the address of {example}")
        if not spec.model:
            raise LemError("params.yaml: judge.model is null; write the name that the endpoint knows it by")
        local = is_loopback(spec.url)
        key = _key(spec.key, local)
        if key and not local and spec.url.startswith("http:"):
            safe = "write https://, or key: null where none is needed"
            raise LemError(f"params.yaml: judge.url: a key is not sent over plain http; {safe}")
        return cls(spec.url, spec.model, key)

    def without_key(self, text: str) -> str:
        """Return a text in which no piece of the key can be read."""
        if self.key is None or len(self.key) < PIECE:  # as short as a local server's placeholder
            return text
        pieces = (self.key[i : i + PIECE] for i in range(len(self.key) - PIECE + 1))
        found = "|".join(re.escape(piece) for piece in pieces)
        return re.sub(rf"{re.escape(self.key)}|{found}", "[key]", text)


def is_loopback(url: str) -> bool:
    """Return whether an address is this machine's own; LemError where it is no address of an endpoint."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        raise LemError("params.yaml: judge.url: expected an address like http://127.0.0.1:8080/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise LemError("params.yaml: judge.url: expected no user, password or query; judge.key names the key")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _key(name: str | None, local: bool) -> str | None:
    if name is None:
        return None
    if not KEY_NAME.fullmatch(name):  # it may be the key itself, so it is not shown
        wanted = "expected the NAME of an environment variable in A-Z 0-9 _, never the key itself"
        raise LemError(f"params.yaml: judge.key: {wanted}")
    key = os.environ.get(name, "").strip()
    if not key and not local:
        raise LemError(f"{name} is not set; export it (params.yaml: judge.key), or write key: null for none")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise LemError(f"{name} holds a character that no key has; set it again (params.yaml: judge.key)")
    return key or None


@dataclass(frozen=True)
class Outcome:
    """What came of one conversation: the judge's reply, or why there is none."""

    reply: str | None
    error: str | None = None
    cut_off: bool = False  # the reply ended at max_tokens


class Failed(Exception):
    """A request that brought no reply: why, whether it may pass, how long the endpoint asks to wait."""

    def __init__(self, why: str, passing: bool = True, wait: float = 0, refused: bool = False) -> None:
        super().__init__(why)
        self.why, self.passing, self.wait, self.refused = why, passing, wait, refused


def completion(body: str) -> Outcome:
    """Return the text of a chat completion's first choice.

    Raises Failed where there is none. That is not tried again: a filter that
    blocks an answer does so each time.
    """
    try:
        choice = json.loads(body)["choices"][0]
        text = choice["message"].get("content") or ""
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        text = None
    if not isinstance(text, str):
        raise Failed("the endpoint's reply is no chat completion", passing=False)
    whole = text.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair fits in no file
    return Outcome(whole, cut_off=choice.get("finish_reason") == "length")


def complaint(body: str) -> str:
    """Return an error's message from its body as the known endpoints write it, else the body itself."""
    try:
        tree = json.loads(body)
        tree = tree[0] if isinstance(tree, list) else tree  # as Gemini writes it
        error = tree.get("error", tree)
        return str(error.get("message", "")) if isinstance(error, dict) else str(error)
    except (ValueError, AttributeError, IndexError, RecursionError):
        return "" if "<" in body[:200] else body  # a page of a proxy says nothing that fits in a line


def wait_seconds(headers: Mapping[str, str]) -> float:
    """Return the seconds that Retry-After asks for, a number or a date (RFC 9110, 10.2.3); else 0."""
    stated = headers.get("retry-after") or ""
    try:
        seconds = float(stated)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(stated) - datetime.now(UTC)).total_seconds()
        except (TypeError, ValueError):
            return 0
    return seconds if 0 < seconds < float("inf") else 0
