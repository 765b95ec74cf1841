"""The quick signs say what the plain ones say: of the words of signs, of any text, of real answers."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lem.scoring import quick_signs, signs

ROOT = Path(__file__).parents[1]
UPSTREAM = Path(os.environ.get("LEM_UPSTREAM", ROOT.parent / "shared" / "upstream"))

WORDS = """
I i I'm I’ve i'd my My me mine is myself Myself we We sorry afraid cannot can't can’t can not won't
will would unable to able allowed do refuse decline against guidelines something that within rather
prefer help you with this request provide answer comply assist and in good faith as an AI language
model Dear Tom, Subject: Sincerely, To whom it may concern Certainly! Sure, here is great question
World War the river runs cold and slow to sea . ! ? … , ; : ' " “ ” ‘ ’ « » ` ``` | > $ _ __ *** # -
— 1. 2) (3) http://me.my/i xhttp I_am _I_ I. II my's x'my 'I 'Am ʼ donʼt ſorry ıt é ö 日本
"""
SPACES = ("\n", "\n\n", "\t", "\u00a0", "\u2003", "", "\n> ", "\n```", "\n| a |", "\n1. ", "\n 12) ")
PIECES = [*WORDS.split(), *SPACES, "\u212a", "\u0130", "\ud800"]
SENTENCES = st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join)
GLUED = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
REPEATED = st.tuples(SENTENCES, st.integers(1, 30), st.sampled_from([" ", ". ", ".\n", "'", "", "_"])).map(
    lambda parts: parts[2].join([parts[0]] * parts[1])
)
TEXTS = st.lists(SENTENCES | GLUED | REPEATED | st.text(max_size=30), max_size=6).map(" ".join)


def plain(text: str) -> int:
    found = signs.readings(text, None)
    return sum(1 << place for place, name in enumerate(quick_signs.SIGNS) if found[name])


@given(TEXTS)
def test_made_up_texts(text):
    assert quick_signs.flags(text) == plain(text)


def test_many_random_texts():
    rng = random.Random(0)
    found = set()
    for _ in range(4000):
        pool = rng.sample(PIECES, rng.randint(2, 40))
        text = rng.choice((" ", " ", "")).join(rng.choices(pool, k=rng.randint(0, 200)))
        assert quick_signs.flags(text) == plain(text), text
        found |= {place for place in range(5) if plain(text) >> place & 1}
    assert found == set(range(5))  # each sign is there somewhere


@pytest.mark.parametrize(
    "text",
    [
        'It can"x"not help you.',
        "As a nurse, I, sadly, would rather not help with that.",
        "Ican't help you.",
        "1. Dignity 2. Dignity 3. Dignity 4. Dignity " * 10,
        "\n".join(f"{n}. Dignity and care" for n in range(20)),
        "He said no to me_too.",
        "mehttp://x y",
        "The house is mine",
        "...",
        "日本語のテキスト。" * 40,
    ],
)
def test_where_a_quick_look_could_err(text):
    assert quick_signs.flags(text) == plain(text)


def test_a_missing_text_has_no_signs():
    assert quick_signs.all_flags(["I refuse to help you.", None, ""]) == bytes([17, 0, 8])


def real_texts() -> list[str]:
    rows = (
        json.loads(line)
        for path in sorted(UPSTREAM.rglob("*.jsonl"))
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
        if line.startswith("{")
    )
    return [row["response"] for row in rows if isinstance(row.get("response"), str)]


@pytest.mark.skipif(not UPSTREAM.is_dir(), reason=f"no real answers in {UPSTREAM}")
def test_real_answers():
    texts = real_texts()
    assert len(texts) > 500
    for text in texts:
        assert quick_signs.flags(text) == plain(text), text
