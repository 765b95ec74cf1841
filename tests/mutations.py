"""Files made wrong, one way at a time: as people and machines do.

mutate(random.Random(7), b'{"id": 1}\n')      # ('truncated', b'{"i')
"""

import json
import random
import re
from collections.abc import Callable

from hypothesis import strategies as st

NUMBER = re.compile(rb"(?<=[:,\[ |])-?\d+(?:\.\d+)?(?=[,}\]\n |])")
TEXT = re.compile(rb'"[^"\n\\]{1,80}"')
PAIR = re.compile(rb'"[^"\n\\]{1,40}": ?(?:"[^"\n\\]{0,80}"|-?\d+(?:\.\d+)?|true|false|null)')
VALUES = [
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'""',
    b'"x"',
    b"-1",
    b"1e999",
    b"-Infinity",
    b"NaN",
    b"9" * 400,
    b"[[1]]",
    b'{"a": {"b": 1}}',
    b'"\\ud800"',
    b'"\\u0000"',
    b"0x10",
    b"1_000",
    b'"../../x"',
    b"9223372036854775808",
    b'"/etc/passwd"',
    b'".hidden"',
    b'"a/b/c"',
    b'"\\r\\n"',
    b"3.5",
    b'"NaN"',
    b"'x'",
]
NAMES = [
    b"../../x",
    b"/tmp/x",
    b"..",
    b".",
    b"",
    b"con\x00trol",
    b"a" * 300,
    b"-rf",
    b"x/../../y",
    "é😀".encode(),
]
ODD = [
    b"\x00",
    b"\xff\xfe",
    b"\xc3",
    b"\x1b[31m",
    b"\r",
    b"\x0c",
    "\u2028".encode(),
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
]

Mutation = Callable[[random.Random, bytes], bytes]


def truncated(rng: random.Random, text: bytes) -> bytes:
    return text[: rng.randrange(len(text) + 1)]


def flipped(rng: random.Random, text: bytes) -> bytes:
    out = bytearray(text)
    for _ in range(rng.randint(1, 8)):
        if out:
            out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def _place(rng: random.Random, pattern: re.Pattern[bytes], text: bytes) -> re.Match[bytes] | None:
    found = list(pattern.finditer(text))
    return rng.choice(found) if found else None


def retyped(rng: random.Random, text: bytes) -> bytes:
    at = _place(rng, rng.choice((NUMBER, TEXT)), text)
    return text if at is None else text[: at.start()] + rng.choice(VALUES) + text[at.end() :]


def renamed(rng: random.Random, text: bytes) -> bytes:
    at = _place(rng, TEXT, text)
    return text if at is None else text[: at.start() + 1] + rng.choice(NAMES) + text[at.end() - 1 :]


def doubled_key(rng: random.Random, text: bytes) -> bytes:
    at = _place(rng, PAIR, text)
    return text if at is None else text[: at.end()] + b", " + at[0] + text[at.end() :]


def doubled_line(rng: random.Random, text: bytes) -> bytes:
    lines = text.splitlines(keepends=True)
    return b"".join([*lines, rng.choice(lines)]) if lines else text


def lost_line(rng: random.Random, text: bytes) -> bytes:
    lines = text.splitlines(keepends=True)
    if lines:
        lines.pop(rng.randrange(len(lines)))
    return b"".join(lines)


def shuffled(rng: random.Random, text: bytes) -> bytes:
    lines = text.splitlines(keepends=True)
    rng.shuffle(lines)
    return b"".join(lines)


def odd_bytes(rng: random.Random, text: bytes) -> bytes:
    at = rng.randrange(len(text) + 1)
    return text[:at] + rng.choice(ODD) + text[at:]


def encoded(rng: random.Random, text: bytes) -> bytes:
    plain = text.decode("utf-8", "replace")
    return plain.encode(rng.choice(("utf-16", "utf-8-sig", "utf-32-be", "cp500", "latin-1")), "replace")


def ended_otherwise(rng: random.Random, text: bytes) -> bytes:
    return text.replace(b"\n", rng.choice((b"\r\n", b"\r", b"\n\n", b" \n", b"")))


def emptied(rng: random.Random, text: bytes) -> bytes:
    return rng.choice((b"", b"\n", b" ", b"{}", b"[]", b"null", b"\xef\xbb\xbf"))


def nested(rng: random.Random, text: bytes) -> bytes:
    deep = b"[" * 5000 + b"]" * 5000
    at = _place(rng, NUMBER, text)
    return deep if at is None else text[: at.start()] + deep + text[at.end() :]


def wrapped(rng: random.Random, text: bytes) -> bytes:
    try:
        return json.dumps([json.loads(text)]).encode()
    except (ValueError, RecursionError):
        return b"[" + text + b"]"


MUTATIONS: dict[str, Mutation] = {
    one.__name__: one
    for one in (
        truncated,
        flipped,
        retyped,
        renamed,
        doubled_key,
        doubled_line,
        lost_line,
        shuffled,
        odd_bytes,
        encoded,
        ended_otherwise,
        emptied,
        nested,
        wrapped,
    )
}
OFTEN = ("retyped", "renamed", "flipped", "truncated", "doubled_key")


def mutate(rng: random.Random, text: bytes) -> tuple[str, bytes]:
    """Return the name of a way and the text made wrong by it, sometimes by two ways."""
    name = rng.choice((*MUTATIONS, *OFTEN, *OFTEN))
    wrong = MUTATIONS[name](rng, text)
    if rng.random() < 0.3:
        other = rng.choice(OFTEN)
        return f"{name}, {other}", MUTATIONS[other](rng, wrong)
    return name, wrong


def dumps(files: dict[str, bytes]) -> st.SearchStrategy[dict[str, bytes]]:
    """Return the dumps that a sound one becomes when up to four of its files are made wrong, or lost."""
    return st.integers(0, 2**32 - 1).map(lambda seed: _made_wrong(random.Random(seed), dict(files)))


def _made_wrong(rng: random.Random, files: dict[str, bytes]) -> dict[str, bytes]:
    for name in rng.choices(sorted(files), k=rng.randint(1, 4)):
        if rng.random() < 0.1:
            files.pop(name, None)
        elif name in files:
            files[name] = mutate(rng, files[name])[1]
    return files
