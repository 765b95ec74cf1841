"""The task `reading`: a passage of two or three sentences and a question to answer with yes or no.

Half of the answers are yes in every split; no passage is used twice.

    splits()["train"][0]     # {"category": "stated", "passage": ..., "question": ..., "label": 1}
"""

from random import Random

from reading_scenes import SCENES, Scene
from shared import NAMES, PRONOUNS, TOTAL, Row, capital, deal, shuffled

PASSAGES = {"stated": 24, "who-and-which": 6, "inferred": 6}
"""Of each scene, by its category: most of what is asked stands in the passage in so many words."""
Words = dict[str, str]


def cast(rng: Random, scene: Scene) -> Words:
    """Return the words that fill one scene."""
    people = dict(zip("nmk", shuffled(rng, NAMES), strict=False))
    things = dict(zip("xyz", shuffled(rng, scene.things.split("|")), strict=False))
    places = dict(zip("po", shuffled(rng, scene.places.split("|")), strict=False))
    return {**people, **things, **places, **PRONOUNS[people["n"]], **compared(rng, scene, people, things)}


def compared(rng: Random, scene: Scene, people: Words, things: Words) -> Words:
    """Return two different numbers, and whom and what they make the greater."""
    a, b = shuffled(rng, range(scene.numbers[0], scene.numbers[1] + 1))[:2]
    ranked = {"higher": people["n"], "lower": people["m"], "more": things["x"], "less": things.get("y", "")}
    if a < b:
        ranked = dict(zip(("lower", "higher", "less", "more"), ranked.values(), strict=True))
    return {"a": str(a), "b": str(b), **ranked}


def passages(scene: Scene, count: int) -> list[Words]:
    """Return so many fillings of a scene, each with a passage of its own."""
    rng, found = Random(f"reading:{scene.passage}"), dict[str, Words]()
    while len(found) < count:
        words = cast(rng, scene)
        found.setdefault(capital(scene.passage.format(**words)), words)
    return list(found.values())


def row(scene: Scene, words: Words, place: int) -> Row:
    """Return a filled scene with one of its questions; answers and wordings take turns."""
    label, wording = (place + 1) % 2, scene.questions[place // 2 % len(scene.questions)]
    asked = dict(zip("qr", scene.yes if label else scene.no, strict=True))
    question = wording.format(**words, **{slot: words.get(source, "") for slot, source in asked.items()})
    passage = capital(scene.passage.format(**words))
    return {"category": scene.category, "passage": passage, "question": question, "label": label}


def splits() -> dict[str, list[Row]]:
    """Return the rows of each split, half of them yes."""
    filled = [[(scene, words) for words in passages(scene, PASSAGES[scene.category])] for scene in SCENES]
    assert sum(map(len, filled)) == TOTAL
    return {
        split: [row(scene, words, place) for place, (scene, words) in enumerate(found)]
        for split, found in deal("reading", filled).items()
    }
