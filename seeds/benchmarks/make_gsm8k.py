"""Writes gsm8k.jsonl and gsm8k-calibration.jsonl: easy arithmetic word problems, answers computed.

The models measured here are small enough to score nothing on grade-school problems as usually set, and a
benchmark on which everything scores nothing tells no two models apart. These problems keep the GSM8K record
(a worked answer with <<expression=value>> annotations, then `#### N`) and lower the level: one operation on
small numbers, or two. MIX is the knob for that level; NUMBERS and LARGEST set how big the numbers get.

Every number in a question, and every result on the way, is at least 2, so plurals are always right. The
answer is never one of the numbers in the question, so repeating one of those earns nothing. No template is
used twice with the same numbers, within a file or across both: a calibration problem is never a scored one
with other names in it.

    python seeds/benchmarks/make_gsm8k.py           # write both files, next to this script
    python seeds/benchmarks/make_gsm8k.py --check   # exit 1 if a file is not what would be written
"""

import argparse
import json
import re
import sys
from pathlib import Path
from random import Random
from typing import NamedTuple

# How many of the scored problems come from each category; the calibration file keeps these proportions.
MIX = {
    "one-step-add": 45,
    "one-step-subtract": 40,
    "one-step-multiply": 55,
    "one-step-divide": 5,
    "two-step": 5,
}
CALIBRATION_SIZE = 60

# The range each of a, b and c is drawn from, and the largest value any step may reach.
NUMBERS = {
    "one-step-add": {"a": (2, 9), "b": (2, 9)},
    "one-step-subtract": {"a": (5, 14), "b": (2, 9)},
    "one-step-multiply": {"a": (2, 9), "b": (2, 6)},
    "one-step-divide": {"a": (6, 45), "b": (2, 9)},
    "two-step": {"a": (2, 20), "b": (2, 9), "c": (2, 9)},
}
LARGEST = {
    "one-step-add": 20,
    "one-step-subtract": 18,
    "one-step-multiply": 81,
    "one-step-divide": 10,
    "two-step": 30,
}
SMALLEST = 2

SHE = {"they": "she", "They": "She", "them": "her"}
HE = {"they": "he", "They": "He", "them": "him"}
WOMEN = "Anna|Bella|Clara|Dora|Emma|Grace|Hana|Iris|Lily|Maria|Nora|Rosa|Sara|Zoe"
MEN = "Adam|Ben|Carl|David|Eric|Felix|Hugo|Ivan|Jack|Leo|Mark|Omar|Paul|Tom"
PEOPLE = [(name, words) for names, words in ((WOMEN, SHE), (MEN, HE)) for name in names.split("|")]


Values = dict[str, int]
Key = tuple[str | int, ...]


class Step(NamedTuple):
    """One calculation of a worked answer."""

    expression: str
    value: int

    def annotated(self) -> str:
        """`3 + 4 = <<3+4=7>>7`, as GSM8K writes it."""
        return f"{self.expression} = <<{self.expression.replace(' ', '')}={self.value}>>{self.value}"


class Template(NamedTuple):
    """A story. {n}, {m} are two people, {they}/{They}/{them} is {n}, {x} is one of `things`, split at |.

    In the answer, [a+b] becomes the annotated sum and [t=a+b] also keeps it as t. The last one is the answer.
    """

    name: str
    things: str
    question: str
    answer: str


T = Template
# fmt: off
TEMPLATES: dict[str, list[Template]] = {
    "one-step-add": [
        T("add-find", "coins|marbles|seashells|buttons",
          "{n} has {a} {x}. {They} finds {b} more {x}. How many {x} does {they} have now?",
          "{n} has [a+b] {x} now."),
        T("add-gift", "stickers|stamps|crayons|postcards",
          "{n} has {a} {x}. {m} gives {them} {b} more {x}. How many {x} does {n} have now?",
          "{n} has [a+b] {x} now."),
        T("add-pond", "ducks|swans|geese|gulls",
          "There are {a} {x} on a pond. Then {b} more {x} land on the pond. "
          "How many {x} are on the pond now?",
          "There are [a+b] {x} on the pond now."),
        T("add-passengers", "bus|tram|train|ferry",
          "A {x} has {a} people on it. At the next stop, {b} more people get on and nobody gets off. "
          "How many people are on the {x} now?",
          "There are [a+b] people on the {x} now."),
        T("add-colors", "apples|tulips|roses|peppers",
          "{n} picks {a} red {x} and {b} yellow {x}. How many {x} does {they} pick in all?",
          "{n} picks [a+b] {x} in all."),
        T("add-reading", "pages|poems|letters",
          "{n} reads {a} {x} on Monday and {b} {x} on Tuesday. "
          "How many {x} does {they} read in the two days?",
          "{n} reads [a+b] {x} in the two days."),
        T("add-children", "choir|swimming class|chess club|school play",
          "There are {a} girls and {b} boys in a {x}. How many children are in the {x}?",
          "There are [a+b] children in the {x}."),
        T("add-baking", "muffins|cookies|pies|pancakes",
          "{n} makes {a} {x} in the morning and {b} {x} in the afternoon. "
          "How many {x} does {they} make in all?",
          "{n} makes [a+b] {x} in all."),
        T("add-shelves", "books|jars|cups|boxes",
          "There are {a} {x} on the top shelf and {b} {x} on the bottom shelf. "
          "How many {x} are on the two shelves in all?",
          "There are [a+b] {x} on the two shelves."),
        T("add-prices", "kite|scarf|game|lamp",
          "{n} buys a {x} for {a} dollars and a book for {b} dollars. "
          "How many dollars does {they} spend in all?",
          "{n} spends [a+b] dollars in all."),
        T("add-age", "",
          "{n} is {a} years old now. How many years old will {n} be {b} years from now?",
          "{n} will be [a+b] years old."),
        T("add-ride", "miles|kilometers|blocks",
          "{n} rides a bike for {a} {x} before lunch and {b} {x} after lunch. "
          "How many {x} does {they} ride in all?",
          "{n} rides [a+b] {x} in all."),
        T("add-more-than", "pencils|dolls|toy cars|puzzles",
          "{m} has {a} {x}. {n} has {b} more {x} than {m}. How many {x} does {n} have?",
          "{n} has [a+b] {x}."),
        T("add-weather", "rainy|sunny|windy|cloudy",
          "There were {a} {x} days in April and {b} {x} days in May. "
          "How many {x} days were there in the two months?",
          "There were [a+b] {x} days in the two months."),
    ],
    "one-step-subtract": [
        T("sub-give", "stickers|marbles|crayons|shells",
          "{n} has {a} {x}. {They} gives {b} {x} to {m}. How many {x} does {n} have left?",
          "{n} has [a-b] {x} left."),
        T("sub-eat", "grapes|strawberries|crackers|cherries",
          "There are {a} {x} on a plate. {n} eats {b} of them. How many {x} are left on the plate?",
          "There are [a-b] {x} left on the plate."),
        T("sub-lose", "coins|buttons|pencils|hair clips",
          "{n} has {a} {x}. {They} loses {b} of them. How many {x} does {they} have now?",
          "{n} has [a-b] {x} now."),
        T("sub-tree", "crows|sparrows|pigeons|robins",
          "There are {a} {x} in a tree. Then {b} of them fly away. How many {x} are still in the tree?",
          "There are still [a-b] {x} in the tree."),
        T("sub-shop", "bikes|lamps|hats|clocks",
          "A shop has {a} {x}. It sells {b} of them. How many {x} does the shop have now?",
          "The shop has [a-b] {x} now."),
        T("sub-spend", "toy|book|ball|sandwich",
          "{n} has {a} dollars. {They} spends {b} dollars on a {x}. How many dollars does {they} have left?",
          "{n} has [a-b] dollars left."),
        T("sub-leave", "library|cafe|shop|waiting room",
          "There are {a} people in a {x}. Then {b} people leave and nobody comes in. "
          "How many people are still in the {x}?",
          "There are still [a-b] people in the {x}."),
        T("sub-compare", "books|fish|trophies|model planes",
          "{n} has {a} {x} and {m} has {b} {x}. How many more {x} does {n} have than {m}?",
          "{n} has [a-b] more {x} than {m}."),
        T("sub-goal", "stamps|bottle caps|baseball cards|postcards",
          "{n} wants to have {a} {x}. {They} has {b} {x} now. How many more {x} does {they} need?",
          "{n} needs [a-b] more {x}."),
        T("sub-pages", "storybook|comic book|picture book",
          "A {x} has {a} pages. {n} has read {b} of them. How many pages does {they} have left to read?",
          "{n} has [a-b] pages left to read."),
        T("sub-broken", "light bulbs|eggs|plates|glasses",
          "There are {a} {x} in a box, and {b} of them are broken. How many {x} are not broken?",
          "There are [a-b] {x} that are not broken."),
        T("sub-field", "horses|goats|rabbits|cows",
          "There are {a} {x} in a field. Of these, {b} are brown and all the others are white. "
          "How many {x} are white?",
          "There are [a-b] white {x}."),
        T("sub-balloons", "red|blue|green|pink",
          "There are {a} {x} balloons at a party. Then {b} of them pop. How many {x} balloons are left?",
          "There are [a-b] {x} balloons left."),
        T("sub-cut", "rope|ribbon|board|wire",
          "A {x} is {a} feet long. {n} cuts {b} feet off it. How many feet long is the {x} now?",
          "The {x} is [a-b] feet long now."),
    ],
    "one-step-multiply": [
        T("mul-bags", "oranges|potatoes|lemons|walnuts",
          "{n} has {a} bags. There are {b} {x} in each bag. How many {x} does {they} have in all?",
          "{n} has [a*b] {x} in all."),
        T("mul-price", "ticket|pizza|plant|hat",
          "One {x} costs {b} dollars. {n} buys {a} {x}s. How many dollars does {they} spend?",
          "{n} spends [a*b] dollars."),
        T("mul-rows", "cabbages|bean plants|sunflowers|rose bushes",
          "A garden has {a} rows of {x}. There are {b} {x} in each row. How many {x} are there in all?",
          "There are [a*b] {x} in all."),
        T("mul-days", "paper boats|bracelets|birthday cards|drawings",
          "{n} makes {b} {x} every day. How many {x} does {they} make in {a} days?",
          "{n} makes [a*b] {x} in {a} days."),
        T("mul-tables", "cups|plates|spoons|candles",
          "There are {a} tables in a cafe. There are {b} {x} on each table. "
          "How many {x} are on the tables in all?",
          "There are [a*b] {x} on the tables."),
        T("mul-pay", "washing cars|walking dogs|pulling weeds|painting fences",
          "{n} earns {b} dollars an hour for {x}. How many dollars does {they} earn in {a} hours?",
          "{n} earns [a*b] dollars in {a} hours."),
        T("mul-trip", "van|boat|raft|wagon",
          "A group rides in {a} {x}s. There are {b} people in each {x}. How many people are in the group?",
          "There are [a*b] people in the group."),
        T("mul-teams", "team|circle|row|line",
          "A teacher puts the children in {a} {x}s. There are {b} children in each {x}. "
          "How many children are there in all?",
          "There are [a*b] children in all."),
        T("mul-times", "marbles|toy trains|stamps|comic books",
          "{m} has {b} {x}. {n} has {a} times as many {x} as {m}. How many {x} does {n} have?",
          "{n} has [a*b] {x}."),
    ],
    "one-step-divide": [
        T("div-share", "candies|cookies|stickers|balloons",
          "{n} gives {a} {x} to {b} friends. Each friend gets the same number of {x}. "
          "How many {x} does each friend get?",
          "Each friend gets [a/b] {x}."),
        T("div-bags", "apples|rolls|onions|pears",
          "{n} has {a} {x}. {They} puts {b} {x} in each bag until none are left. "
          "How many bags does {they} use?",
          "{n} uses [a/b] bags."),
        T("div-rows", "chairs|desks|trees|parked cars",
          "There are {a} {x} in {b} rows. Each row has the same number of {x}. How many {x} are in each row?",
          "There are [a/b] {x} in each row."),
        T("div-teams", "players|children|swimmers|runners",
          "A coach puts {a} {x} in teams of {b}. How many teams are there?",
          "There are [a/b] teams."),
        T("div-pages", "book|comic book|magazine|travel guide",
          "A {x} has {a} pages. {n} reads {b} pages every day. "
          "How many days does {they} take to read all the pages?",
          "{n} takes [a/b] days."),
        T("div-price", "tickets|pens|melons|brushes",
          "{n} pays {a} dollars for {b} {x}. All the {x} have the same price. "
          "How many dollars does each one cost?",
          "Each one costs [a/b] dollars."),
    ],
    "two-step": [
        T("two-find-give", "stickers|marbles|coins|beads",
          "{n} has {a} {x}. {They} finds {b} more {x} and then gives {c} {x} to {m}. "
          "How many {x} does {n} have now?",
          "After finding more, {n} has [t=a+b] {x}.\nNow {n} has [t-c] {x}."),
        T("two-off-on", "bus|tram|train|ferry",
          "A {x} has {a} people on it. At the next stop, {b} people get off and {c} people get on. "
          "How many people are on the {x} now?",
          "After {b} people get off, there are [t=a-b] people.\nThere are [t+c] people on the {x} now."),
        T("two-bags-loose", "oranges|tomatoes|peaches|carrots",
          "{n} has {b} bags with {c} {x} in each bag. {They} also has {a} {x} in a bowl. "
          "How many {x} does {they} have in all?",
          "The bags hold [t=b*c] {x}.\n{n} has [t+a] {x} in all."),
        T("two-change", "pen|card|poster|ticket",
          "{n} has {a} dollars. {They} buys {b} {x}s that cost {c} dollars each. "
          "How many dollars does {they} have left?",
          "The {x}s cost [t=b*c] dollars.\n{n} has [a-t] dollars left."),
        T("two-three-days", "berries|mushrooms|eggs|flowers",
          "{n} collects {a} {x} on Monday, {b} {x} on Tuesday and {c} {x} on Wednesday. "
          "How many {x} does {they} collect in the three days?",
          "In the first two days, {n} collects [t=a+b] {x}.\nIn the three days, {n} collects [t+c] {x}."),
        T("two-absent", "dance class|choir|swimming class|chess club",
          "There are {a} girls and {b} boys in a {x}. Today {c} of the children are at home. "
          "How many children from the {x} are not at home today?",
          "There are [t=a+b] children in the {x}.\nThe number not at home is [t-c]."),
        T("two-spend-twice", "comic book|ball|hat|sandwich",
          "{n} has {a} dollars. {They} spends {b} dollars on a {x} and {c} dollars on a plant. "
          "How many dollars does {they} have left?",
          "After buying the {x}, {n} has [t=a-b] dollars.\nNow {n} has [t-c] dollars left."),
        T("two-together", "books|pencils|puzzles|toy cars",
          "{m} has {a} {x}. {n} has {b} more {x} than {m}. How many {x} do {n} and {m} have together?",
          "{n} has [t=a+b] {x}.\nTogether they have [a+t] {x}."),
        T("two-share-colors", "beads|pencils|balloons|ribbons",
          "{n} has {a} red {x} and {b} blue {x}. {They} gives them all to {c} friends, and each friend gets "
          "the same number of {x}. How many {x} does each friend get?",
          "{n} has [t=a+b] {x}.\nEach friend gets [t/c] {x}."),
    ],
}
# fmt: on

STEP = re.compile(r"\[(?:(\w)=)?(\w)([-+*/])(\w)\]")
FILES = {"gsm8k.jsonl": "WORD", "gsm8k-calibration.jsonl": "CAL"}


def pick(rng: Random, low: int, high: int) -> int:
    """A whole number from `low` to `high`; of Random, only random() promises to stay reproducible."""
    return low + int(rng.random() * (high - low + 1))


def shuffled(rng: Random, count: int) -> list[int]:
    """0 to count - 1 in a random order."""
    return sorted(range(count), key=[rng.random() for _ in range(count)].__getitem__)


def solve(template: Template, values: Values) -> list[Step] | None:
    """Each step of the answer, or None if a division leaves a remainder."""
    known = dict(values)
    steps = []
    for keep, left, operator, right in STEP.findall(template.answer):
        x, y = known[left], known[right]
        if operator == "/" and x % y:
            return None
        known[keep] = {"+": x + y, "-": x - y, "*": x * y, "/": x // y}[operator]
        steps.append(Step(f"{x} {operator} {y}", known[keep]))
    return steps


def draw(rng: Random, category: str, template: Template, used: set[Key]) -> tuple[Values, list[Step]]:
    """Numbers that `template` was not used with before, and the steps to the answer; adds them to `used`."""
    letters = {k: v for k, v in NUMBERS[category].items() if f"{{{k}}}" in template.question}
    for _ in range(2000):
        values = {letter: pick(rng, *bounds) for letter, bounds in letters.items()}
        steps = solve(template, values)
        key: Key = (template.name, *values.values())
        if not steps or key in used or steps[-1].value in values.values():
            continue
        if all(SMALLEST <= step.value <= LARGEST[category] for step in steps):
            used.add(key)
            return values, steps
    raise ValueError(f"{template.name}: no unused numbers left; widen NUMBERS or lower MIX[{category!r}]")


def cast(rng: Random, template: Template) -> dict[str, str]:
    """The words of one story: who is in it, and what it counts."""
    first, second = (PEOPLE[i] for i in shuffled(rng, len(PEOPLE))[:2])
    things = template.things.split("|")
    return {"n": first[0], "m": second[0], "x": things[pick(rng, 0, len(things) - 1)], **first[1]}


def record(rng: Random, category: str, template: Template, used: set[Key]) -> dict[str, str]:
    """One problem with its worked answer, without an id."""
    values, steps = draw(rng, category, template, used)
    words = cast(rng, template) | {letter: str(value) for letter, value in values.items()}
    work = iter(steps)
    answer_cot = STEP.sub(lambda _: next(work).annotated(), template.answer.format(**words))
    answer = str(steps[-1].value)
    return {
        "benchmark": "gsm8k",
        "cluster": template.name,
        "category": category,
        "question": template.question.format(**words),
        "answer_cot": f"{answer_cot}\n#### {answer}",
        "correct_answer": answer,
    }


def scaled(mix: dict[str, int], size: int) -> dict[str, int]:
    """`mix` brought to `size` problems in all, by largest remainder."""
    total = sum(mix.values())
    counts = {category: count * size // total for category, count in mix.items()}
    by_remainder = sorted(mix, key=lambda category: -(mix[category] * size % total))
    for category in by_remainder[: size - sum(counts.values())]:
        counts[category] += 1
    return counts


def build() -> dict[str, str]:
    """The text of each file, by file name."""
    used: set[Key] = set()
    texts = {}
    for (file, prefix), mix in zip(FILES.items(), (MIX, scaled(MIX, CALIBRATION_SIZE)), strict=True):
        records = []
        for category, count in mix.items():
            rng = Random(f"{file}:{category}")  # its own seed, so changing one category leaves the others be
            templates = TEMPLATES[category]
            order = shuffled(rng, len(templates))
            for i in range(count):
                records.append(record(rng, category, templates[order[i % len(order)]], used))
        lines = [
            json.dumps({"id": f"{prefix}_{number:03d}", **records[i]}, ensure_ascii=False)
            for number, i in enumerate(shuffled(Random(file), len(records)), start=1)
        ]
        texts[file] = "\n".join(lines) + "\n"
    return texts


def main() -> int:
    """Write the files, or with --check compare them; the exit code."""
    parser = argparse.ArgumentParser(description="Write the two files of arithmetic word problems.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file would change")
    check = parser.parse_args().check
    here = Path(__file__).resolve().parent
    wanted = {here / file: text.encode("ascii") for file, text in build().items()}
    if not check:
        for path, content in wanted.items():
            path.write_bytes(content)
        return 0
    stale = [path for path, content in wanted.items() if not path.is_file() or path.read_bytes() != content]
    for path in stale:
        state = "differs from what this script writes" if path.is_file() else "is missing"
        print(f"{path.name} {state}; run it again without --check", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
