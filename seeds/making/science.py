"""The task `science`: grade-school science with four choices, each fact asked once.

Facts are dealt to the splits before they are worded, so training teaches the form of the questions and not
the answers of the test.

    splits()["test"][0]["choices"]["text"]     # four of them, the right one named by answerKey
"""

from random import Random
from typing import NamedTuple

from science_facts import GROUPS, TABLES, Group, Table
from shared import TOTAL, Row, capital, deal, shuffled

LETTERS = "ABCD"


class Fact(NamedTuple):
    """One fact: the question about it, its right answer, and answers that are wrong."""

    category: str
    question: str
    right: str
    wrong: tuple[str, ...]


def of_table(table: Table) -> list[Fact]:
    """Return a fact for each thing of a table, the wordings in turn."""
    rng = Random(f"science:{table.category}")
    pairs = [
        (thing, answer) for answer, found in table.answers.items() for thing in found.split("|") if thing
    ]
    facts = []
    for place, (thing, answer) in enumerate(shuffled(rng, pairs)):
        question = table.wordings[place % len(table.wordings)].format(x=thing, X=capital(thing))
        wrong = shuffled(rng, [one for one in table.answers if one != answer])
        facts.append(Fact(table.category, question, answer, defensible(table, answer, wrong)))
    return facts


def defensible(table: Table, answer: str, wrong: list[str]) -> tuple[str, ...]:
    """Return the first three wrong answers that nobody could take for right."""
    near = {one for answers in table.apart if answer in answers for one in answers}
    return tuple(one for one in wrong if one not in near)[: len(LETTERS) - 1]


def of_group(group: Group) -> list[Fact]:
    """Return a fact for each thing that fits, the wordings in turn."""
    rng = Random(f"science:{group.category}")
    facts = []
    for place, thing in enumerate(shuffled(rng, group.fitting.split("|"))):
        wrong = tuple(shuffled(rng, group.other.split("|"))[: len(LETTERS) - 1])
        facts.append(Fact(group.category, group.wordings[place % len(group.wordings)], thing, wrong))
    return facts


def facts() -> list[list[Fact]]:
    """Return as many facts as are needed, by table and group; which are left out is drawn."""
    found = [*map(of_table, TABLES), *map(of_group, GROUPS)]
    kept = set(shuffled(Random("science"), [fact for part in found for fact in part])[:TOTAL])
    return [[fact for fact in part if fact in kept] for part in found]


def row(fact: Fact, place: int, rng: Random) -> Row:
    """Return a fact as a row; the right answer stands at each of the four places in turn."""
    right = place % len(LETTERS)
    texts = shuffled(rng, fact.wrong)
    texts.insert(right, fact.right)
    choices = {"text": texts, "label": list(LETTERS)}
    return {
        "category": fact.category,
        "question": fact.question,
        "choices": choices,
        "answerKey": LETTERS[right],
    }


def splits() -> dict[str, list[Row]]:
    """Return the rows of each split."""
    dealt = deal("science", facts())
    return {
        split: [row(fact, place, Random(f"science:{split}:{place}")) for place, fact in enumerate(found)]
        for split, found in dealt.items()
    }
