"""The task `arithmetic`: sums, differences and products of small numbers, the answer written out.

RANGES is the knob for how hard it is. Two numbers are used once with an operation, in whatever order and
words: 3 + 8 in training keeps 8 + 3 out of the test.

    splits()["train"][0]     # {..., "question": "What is 47 + 35?", "worked": "47 + 35 =", "answer": "82"}
"""

from random import Random

from shared import Row, deal, pick

# By category: how many problems there are, the range of each number, the largest result.
COUNTS = {"addition": 165, "subtraction": 120, "multiplication": 75}
RANGES = {
    "addition": ((2, 39), (2, 19)),
    "subtraction": ((5, 39), (2, 19)),
    "multiplication": ((2, 20), (2, 9)),
}
LARGEST = {"addition": 50, "subtraction": 30, "multiplication": 99}
SMALLEST = 2
SIGNS = {"addition": "+", "subtraction": "-", "multiplication": "*"}
WORDINGS = {
    "addition": (
        "What is {a} + {b}?",
        "What is the sum of {a} and {b}?",
        "How much is {a} plus {b}?",
        "What do you get when you add {b} to {a}?",
        "Work out {a} + {b}.",
        "Which number is {b} more than {a}?",
    ),
    "subtraction": (
        "What is {a} - {b}?",
        "What is the difference between {a} and {b}?",
        "How much is {a} minus {b}?",
        "What do you get when you subtract {b} from {a}?",
        "Work out {a} - {b}.",
        "Which number is {b} less than {a}?",
    ),
    "multiplication": (
        "What is {a} * {b}?",
        "What is the product of {a} and {b}?",
        "How much is {a} times {b}?",
        "What do you get when you multiply {a} by {b}?",
        "Work out {a} * {b}.",
        "Which number is {a} times as large as {b}?",
    ),
}


def result(category: str, a: int, b: int) -> int:
    """Return the answer to a problem."""
    return {"addition": a + b, "subtraction": a - b, "multiplication": a * b}[category]


def numbers(rng: Random, category: str, used: set[tuple[int, ...]]) -> tuple[int, int]:
    """Return two numbers that no problem of the category has yet; adds them to `used`."""
    for _ in range(5000):
        a, b = (pick(rng, *bounds) for bounds in RANGES[category])
        pair = tuple(sorted((a, b)))
        if pair not in used and SMALLEST <= result(category, a, b) <= LARGEST[category]:
            used.add(pair)
            return a, b
    raise ValueError(f"{category}: no unused numbers left; widen RANGES or lower COUNTS")


def problems(category: str) -> list[Row]:
    """Return the problems of one category, the wordings in turn."""
    rng, used = Random(f"arithmetic:{category}"), set[tuple[int, ...]]()
    wordings, rows = WORDINGS[category], []
    for place in range(COUNTS[category]):
        a, b = numbers(rng, category, used)
        question = wordings[place % len(wordings)].format(a=a, b=b)
        worked, answer = f"{a} {SIGNS[category]} {b} =", str(result(category, a, b))
        rows.append({"category": category, "question": question, "worked": worked, "answer": answer})
    return rows


def splits() -> dict[str, list[Row]]:
    """Return the rows of each split."""
    return deal("arithmetic", [problems(category) for category in COUNTS])
