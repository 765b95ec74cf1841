r"""The final number of an answer, read in more than one way. Pure.

    flexible("So she has **1,250** eggs.")         # '1250'
    flexible("The answer is 3/4. It took 2 steps") # '0.75'
    strict("... #### 18")                          # '18'
    first_after_equals("R = 5, so 5 * 4 = 20")     # '5'

`strict` and `flexible` are named after the readings of lm-eval's GSM8K task
(`strict-match`, `flexible-extract`). `strict` reads only the number behind
`####`. lm-eval's `flexible-extract` is the last number of the text, which takes
"18 dollars in 1 week" for 1; ours asks first where the answer says it is:

1. The last number that is marked as the answer: `####`, `\boxed{}`, "the answer
   is", "Answer:", "... is the answer". A mark with no number behind it, such as
   a bare `####`, says nothing. If an expression stands there (8S + 100), the
   answer is no number.
2. A text that opens with a number on a line of its own has answered at once.
3. The last sentence that holds a number (`_statement` reads it), passing over
   questions, what only sets up (`SETUP`), and a last sentence cut in the middle.
4. The last number of the text.

What runs on into a question of its own making, behind an answer given at once, is not read.
`first_after_equals` is how some published dumps read their answers; it is kept
so that their figures can be computed again and the gap to ours be shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from lem.scoring.numerals import Number, at, find, matches, normalise

__all__ = ["FILTERS", "first_after_equals", "flexible", "matches", "normalise", "strict"]

MARK = re.compile(
    r"""
      (?P<hashes> \#{4} )
    | \\(?:boxed|fbox)[ ]?\{ (?P<box> (?: [^{}\n] | \{[^{}\n]{0,80}\} ){0,120} ) \}
    | \bis[ ](?:the|my|our)[ ](?:final[ ]|correct[ ])?(?P<said>answer)\b
    | \banswer (?: [ ](?:to|for|of|in)\b[^.,:;=\n]{0,60}? | [ ]?\([^()\n]{0,40}\) )?
      [*_ ]* (?P<stated> : | = | \b(?:is(?![ ]not\b)|was|would[ ]be)\b )
    | ^[^\w\n]* (?:the[ ]|final[ ])* (?P<heading> answer ) [*_ ]*$
    """,
    re.VERBOSE | re.IGNORECASE | re.MULTILINE,
)
LINE = re.compile(r"[^\n]{0,300}+[0-9.,]*+")  # a near end, lest many marks on one line cost its length each
BLANK = re.compile(r"[^\w\n]{0,300}+\n\s*+")
MARKUP = re.compile(r"</?\w{1,9}>|\\(?:text|mathrm|mathbf|textbf|left|right|quad)\b")
STEP = re.compile(r"^([ \t*_#>-]*)(step|part|case|problem|question|equation)[ ]\d+", re.I | re.M)
ITEM = re.compile(r"^([ \t*_#>-]*)(\d{1,3})[.)](?=[ \t]+\S)", re.M)
AT_ONCE = re.compile(
    r"\s*(\S+)(?: [^\W\d]+){0,3}[.]?[ ]*\n\s*(?:(?:step|explanation|solution|reasoning)\b|[^\n]*\?\s*$)",
    re.I | re.M,
)
QUESTION = re.compile(r"\?[ \t]*$", re.M)
SENTENCE = re.compile(r"(?<=[.!?])(?=\s)|(?<=[.!?][*_\"')$])(?=\s)|(?<=[.!?]\*\*)(?=\s)|\n")
SETUP = re.compile(
    r"[\W_]*(?:let\b(?!['’]?s\b)(?! us\b)|suppose\b|assume\b|we (?:are (?:given|told|asked)|know|want)\b"
    r"|the (?:problem|question) (?:asks|gives|is asking|says|states|tells)\b)",
    re.I,
)
COMPLETE = re.compile(r"[.!?:…][*_$\s\"'’”)\]}>]*$")
BROKEN_OFF = re.compile(
    r"(?:[=+\-−*/×(,{\\]|\b(?:a|an|and|are|as|at|be|by|for|from|has|have|if|in|is|of|on|or|per|that|the|to|was|with))"
    r"[\s$]*$",
    re.I,
)
EXPRESSION = re.compile(r"\d[b-zB-HJ-Z]\s*[-+−]\s*\$?\d|\d\s*[-+−]\s*\$?\d*[b-zB-HJ-Z](?![\w'’])")
CLAUSE = re.compile(
    r"[,;] (?=(?:so|thus|hence|therefore|leaving|giving|which (?:leaves|gives|means))\b)|(?= so )", re.I
)
EQUALS = re.compile(r"[=≈](?=[\s$*\\({~€£-]*(?:[\d.½¼¾−]|[dt]?frac))")
BOLD = re.compile(r"\*\*([^*\n]{1,40})\*\*")
ASIDE = re.compile(r"\([^()\n]{0,200}\)")
BEFORE_TIME = re.compile(
    r"\b(?:in|after|by|for|over|within|during|every|per|from|to|at|until) (?:only |just |the )?$", re.I
)
TIME = re.compile(r"[-\s]*(?:second|minute|hour|day|night|week|month|year|[ap]\.?m\b|o'clock)", re.I)
SIGNS = re.compile(r"[\s*_({\[:~≈]*+(?:\$(?![\d.]))?\s*+")
LED = re.compile(r"####\s*+")
AFTER_EQUALS = re.compile(r"=\s*+\$?\s*+([0-9][0-9,]*+)")


def strict(answer: str) -> str | None:
    """Return the number behind the last `####` that one stands behind, normalised, or None."""
    for mark in reversed(list(LED.finditer(answer))):
        if number := at(answer, mark.end()):
            return number.value
    return None


def first_after_equals(answer: str) -> str | None:
    """Return the digits behind the first "=" that has some, or None: whole numbers only, 0.75 reads 0."""
    found = AFTER_EQUALS.search(answer)
    return normalise(found[1].replace(",", "")) if found else None


def flexible(answer: str) -> str | None:
    """Return the final number of the answer wherever it stands, normalised, or None."""
    return next(_decisions(MARKUP.sub(" ", _unlabelled(answer))), None)


FILTERS: dict[str, Callable[[str], str | None]] = {
    "flexible": flexible,
    "strict": strict,
    "first-after-equals": first_after_equals,
}
"""Each reading by name; the first is the one a table shows."""


def _decisions(text: str) -> Iterator[str | None]:
    """Yield what each rule reads, the strongest first; None where the answer is an expression."""
    opening = AT_ONCE.match(text)
    at_once = at(text, opening.start(1)) if opening else None
    if at_once and (asked := QUESTION.search(text)):
        text = text[: asked.start()]
    yield from _marked(text)
    if at_once:
        yield at_once.value
    yield from _stated(text)
    if numbers := list(find(text)):
        yield numbers[-1].value


def _unlabelled(text: str) -> str:
    """Return the text without "Step 3" and the numbers of lists: 1., and what follows on an earlier one."""
    seen = {0}

    def drop(item: re.Match[str]) -> str:
        label = int(item[2])
        follows = label - 1 in seen
        seen.add(label)
        return item[1] if follows else item[0]

    return ITEM.sub(drop, STEP.sub(r"\1\2", text))


def _marked(text: str) -> Iterator[str | None]:
    """Yield the numbers that are marked as the answer, the last mark first."""
    for mark in reversed(list(MARK.finditer(text))):
        if mark["hashes"]:
            number = _opening(text, mark.end())
            yield from [number.value] if number else []
        elif mark["said"]:
            before = text[max(0, mark.start() - 60) : mark.start()]
            yield from [n.value for n in find(SENTENCE.split(before)[-1])][-1:]
        else:
            yield from _committed(mark["box"] or _behind(text, mark.end()))


def _behind(text: str, start: int) -> str:
    """Return what a mark announces: the rest of its line, or the next line that says something."""
    blank = BLANK.match(text, start)
    line = LINE.match(text, blank.end() if blank else start)
    said = line[0] if line else ""
    return next((s for s in SENTENCE.split(said) if any(find(s))), "")


def _opening(text: str, start: int = 0) -> Number | None:
    """Return the number that a text begins with, behind signs only."""
    signs = SIGNS.match(text, start)
    return at(text, signs.end()) if signs else None


def _committed(text: str) -> Iterator[str | None]:
    first = None if EQUALS.search(text) else _opening(text)
    if first and not EXPRESSION.search(text):
        yield first.value
    elif any(find(text)):
        yield _statement(text)


def _stated(text: str) -> Iterator[str | None]:
    """Yield the number of the last sentence that states one."""
    sentences = [s for s in SENTENCE.split(text) if s.strip()]
    if sentences and _cut(sentences):
        sentences.pop()
    for sentence in reversed(sentences):
        asks = sentence.rstrip(" *_\"')$").endswith("?")
        if not asks and not SETUP.match(sentence) and any(find(sentence)):
            yield _statement(sentence)


def _cut(sentences: list[str]) -> bool:
    """Whether the last sentence breaks off: in its middle, or in saying an earlier one again."""
    last = sentences[-1].strip()
    again = any(len(s) > len(last) and s.startswith(last) for s in map(str.strip, sentences[:-1]))
    return not COMPLETE.search(last) and (again or BROKEN_OFF.search(last) is not None)


def _statement(sentence: str) -> str | None:
    """Return the number that a sentence comes to, None where it comes to an expression.

    In its last clause with a number: what stands in bold; what is behind the last
    "="; the only sum of money; else the last number that is no mere circumstance
    of time ("in 1 week", "by 5 pm") and no aside in brackets.
    """
    clause = next((c for c in reversed(CLAUSE.split(sentence)) if any(find(c))), sentence)
    bold = [b for b in BOLD.findall(clause) if any(find(b))]
    clause = bold[-1] if bold else clause
    *_, result = EQUALS.split(clause)
    if EXPRESSION.search(result):
        return None
    behind = next(find(result), None) if result != clause else None
    return (behind or _weighed(clause)).value


def _weighed(clause: str) -> Number:
    plain = ASIDE.sub(" ", clause)
    text = plain if any(find(plain)) else clause
    numbers = list(find(text))
    money = [n for n in numbers if n.money]
    others = [n for n in numbers if not _of_time(text, n)]
    return money[0] if len(money) == 1 else (others or numbers)[-1]


def _of_time(text: str, number: Number) -> bool:
    before = BEFORE_TIME.search(text, max(0, number.start - 20), number.start)
    return before is not None and TIME.match(text, number.end) is not None
