"""The task `grammar`: is a sentence good English? Half of them are, of every kind of error that could be.

A sentence is there in one version only, whole or broken, so no split holds the other half of a pair.

    splits()["train"][0]     # {"category": "agreement", "sentence": ..., "label": 1}
"""

import re
from random import Random

from grammar_frames import FRAMES, POOLS
from shared import TOTAL, Row, capital, deal, shuffled

CHOICE = re.compile(r"\[(.*?)\|(.*?)\]")
GAP = re.compile(r"\{([a-z]+)(\d?)\}")


def filled(rng: Random, frame: str) -> str:
    """Return a frame with its gaps filled; a plural in the broken half is that of the singular beside it."""
    words = {pool: shuffled(rng, range(len(found.split("|")))) for pool, found in POOLS.items()}
    words |= {f"{pool}s": words[pool] for pool in ("thing", "person", "animal")}

    def word(gap: re.Match[str]) -> str:
        place = int(gap[2] or 1) - 1
        return POOLS[gap[1]].split("|")[words[gap[1]][place]]

    return GAP.sub(word, frame)


def version(sentence: str, good: bool) -> str:
    """Return the whole or the broken version of a filled frame."""
    text = CHOICE.sub(lambda choice: choice[1 if good else 2], sentence)
    return capital(re.sub(r" +", " ", text).strip())


def sentences(kind: str, count: int) -> list[str]:
    """Return so many filled frames of a kind, from each frame the same number, no sentence twice."""
    found: dict[str, str] = {}
    for frame in FRAMES[kind]:
        rng, wanted = Random(f"grammar:{frame}"), len(found) + count // len(FRAMES[kind])
        while len(found) < wanted:
            sentence = filled(rng, frame)
            found.setdefault(version(sentence, good=True), sentence)
    return list(found.values())


def splits() -> dict[str, list[Row]]:
    """Return the rows of each split; whole and broken sentences take turns in it."""
    count = TOTAL // len(FRAMES)
    made = [[(kind, sentence) for sentence in sentences(kind, count)] for kind in FRAMES]
    return {
        split: [
            {"category": kind, "sentence": version(sentence, place % 2 == 0), "label": (place + 1) % 2}
            for place, (kind, sentence) in enumerate(found)
        ]
        for split, found in deal("grammar", made).items()
    }
