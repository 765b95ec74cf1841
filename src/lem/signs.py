"""The countable signs of an answer: it refuses, it loops, it stops in mid-sentence. Pure.

    is_refusal("I'm sorry, but I can't help with that.")     # True
    is_loop("You are not sure. " * 3)                        # True
    to_last_sentence("It costs 3.50, e.g. at noon. And th")  # 'It costs 3.50, e.g. at noon.'

No judge is asked: signs are read off the text, so they cost nothing, never change
and hold for every model alike. They are rules for English, not a measure of quality.
"""

from __future__ import annotations

import re
from collections import Counter

STOPS = ".!?…"
CLOSERS = "\"'”’»)\\]}*_`"  # as in a character class: what may stand between a stop and the next space
BREAK = re.compile(rf"(?<=[{STOPS}])[{CLOSERS}]*\s+")  # between sentences, roughly: "Dr. No" is two

# Refusal: an answer declines where it begins, or not as a whole.
OPENING_SENTENCES = 2  # one to be polite ("I understand."), one to decline
OPENING_CHARS = 400  # two long sentences; what has no stop is not searched further
STRAIGHT = str.maketrans("’‘ʼ", "'''")  # models write both; the patterns below only one
QUOTED = re.compile(r'"[^"]*"|“[^”]*”')  # what a person of the story says is not what the answer says
# It helps: it begins so, turns to it ("..., but here is one"), or drafts a letter ("Dear Tom, I am sorry").
HELPS = re.compile(
    r"(?i)\A\W*(?:here|sure|certainly|of course|dear|subject)\b|\bbut (?:here|below|the following)\b"
)
# Every way to be unable or unwilling in the first person; "could not" and "would not" tell a story.
CANNOT = r"""\ ?(?:can\ ?not|can'?t|(?:will\ not|won'?t)(?:\ be\ able\ to)?
    |(?:would|'d)\ (?:rather|prefer)\ not(?:\ to)?
    |(?:(?:am|are|'m|'re)\ )?(?:unable|not\ (?:able|allowed|permitted|equipped|authori[sz]ed
        |programmed|designed|going|willing|comfortable))(?:\ to)?
    |(?:do\ not|don'?t)\ (?:think\ I\ can|feel\ comfortable
        |have\ the\ (?:ability|capability|capacity)\ to))
    (?:,?\ (?:in\ good\ (?:faith|conscience)|and\ will\ not|directly|currently|legally|really),?)?
    (?:\ |(?=[.!]|\Z))"""
# Without an apology only verbs of service decline, not "I cannot overstate", "I can't help but notice".
HELP = r"(?:assist|comply|fulfil|help(?:ing)?(?=\ (?:you|with|out|here|on|in|to)\b|\W*[.,;!]|\W*$))"
SERVE = rf"""(?:{HELP}|provid|answer|creat|writ|generat|produc|discuss|engag|respond|disclos|reveal
    |participat|do\ (?:that|this|so)\b|tell\ you\ how\ to|(?:share?|give?|offer)(?:ing)?
        \ (?:you|that|this|any|advice|instructions|information|details|legal|medical|personal)\b)"""
# After an apology any verb declines, except those that only hedge or feel with the reader.
APOLOGY = r"(?:sorry|afraid|apologi[sz]e|apologies|as\ an?\ (?:\w+\ ){0,2}(?:AI|language\ model|chatbot))"
HEDGE = r"(?:overstate|stress|emphasi|promise|guarantee|imagine|believe|feel|thank|help\ (?:but|\w+ing))"
REFUSAL = re.compile(
    rf"""(?ix)
    (?:\bI(?:,?\ \w+,?)?|\bsorry,?(?:\ but)?|\A\W*) {CANNOT} {SERVE}    # I cannot provide; Unable to assist
    |\bwe(?:\ \w+)? {CANNOT} (?:{HELP}|provide\ you)    # not: we cannot answer by data alone
    |\b{APOLOGY}\b [^.!?]{{0,120}}? \bI(?:,?\ \w+,?)? {CANNOT} (?!{HEDGE})    # I'm sorry, but I cannot ask
    |\b(?:I|we)(?:'ll|'d\ have\ to|\ would\ have\ to|(?:'m|\ am)\ going\ to)?[ ]
        (?:(?:must|will|have\ to|need\ to|respectfully|politely|therefore)\ )*
        (?:refuse|decline)
        (?=\W*$|\W*[.,;:!]|\ (?:this|that|your|the)\ (?:request|question|task|prompt)|\ to\ {SERVE})
    |\bnot\ something\ (?:that\ )?I(?:\ can|\ will|(?:\ am|'m)\ able\ to)\ (?:do\b|{SERVE})
    |\b(?:not\ within|against)\ my\ (?:programming|guidelines|capabilities)\b
    """
)

# Loop: what people write on purpose stays below each of these.
SENTENCE_WORDS = 4  # "Yes.", "I see.", "So it goes." come back in good prose
SENTENCE_TIMES = 3  # a refrain or a summary says a sentence twice
UNIT_WORDS = 40  # four copies of more do not fit into 224 tokens (about 190 words); GRAMS_SHARE finds those
RUN_TIMES = 4  # three alike is a figure of speech
RUN_WORDS = 24  # "ha ha ha ha" is a laugh; the shortest loop seen, "7. Dignity 8. Dignity ...", has 28 words
GRAM = 4  # words; shorter runs ("one of the") come back in any text
GRAMS_FROM = 60  # words; in less, one paragraph said twice would decide
GRAMS_SHARE = 0.5  # of 4-word runs are distinct: below it, most was said before; prose has over 0.8
WORD = re.compile(r"\w+(?:['’]\w+)*")
LIST_MARK = re.compile(r"(?m)^[ \t]*\(?\d+[.)](?!\d)")  # counts on while the item loops
SET_TEXT = re.compile(r"(?ms)^[ \t]*(?:```.*?(?:^[ \t]*```|\Z)|\|[^\n]*)")  # code, tables: alike by nature

# Last sentence: a full stop is an end unless one of these says otherwise.
END = re.compile(rf"(?<![{STOPS}])[{STOPS}]++[{CLOSERS}]*+(?!\S)")  # possessive: linear in any text
AROUND = "\"'“”‘’«»()[]{}*_`"  # stripped off a word; "the `.` operator" has no word before its stop
LOOK_BACK = 40  # characters; room for an abbreviation and the word before it
STOPS_TRIED = 10_000  # from the end; a megabyte of "1. " holds no sentence, and says so at once
# A short number or letter that opens a line or follows a sentence counts the next item; `#### 18.` answers.
COUNTS = re.compile(
    rf"(?m)(?:^|[{STOPS}][{CLOSERS}]*\s)(?!#### )[ \t>*_+•#-]*\(?(?:\d{{1,3}}(?:\.\d{{1,3}})*|[A-Za-z])\Z"
)
NEVER_LAST = re.compile(r"(?i)e\.g|i\.e|dr|mrs?|ms|prof|st|vs|cf|viz|approx|rev|hon|capt|lt|sgt|(?:\S*/)?www")
# These end a sentence or stand within it; the next letter's case tells ("at 5 p.m. We left", "etc. and").
MAY_BE_LAST = re.compile(r"(?i)(?:[a-z]{1,2}\.)+[a-z]|etc|al|inc|ltd|co|corp|jr|sr|dept|esp|incl")
BEFORE_NUMBER = re.compile(r"(?i)nos?|figs?|eq|vol|ch|sec|art|pp?|jan|feb|aug|sept?|oct|nov|dec")  # "No. 5"
INITIALS = re.compile(r"(?:[A-Z]\.)+[A-Z]|[A-HJ-Z]")  # J.R.R, W; "So do I." is whole
LABEL = re.compile(
    r"(?i)appendix|case|choice|class|grade|group|option|part|person|plan|team|type|vitamin|.*[:,;]"
)
"""Before a lone capital: "Option B." and "Answer: B." are whole, "George W." is not."""


def is_refusal(text: str) -> bool:
    """Return whether the answer declines the request in its first two sentences.

    Counted: declining first and offering something else after it. Not counted: a part declined
    later, a hedge ("I can't promise"), quoted speech, what others refuse or cannot do, a drafted
    letter, a refusal in another language.
    """
    plain = text[:OPENING_CHARS].translate(STRAIGHT).strip()
    spoken = QUOTED.sub("", plain)
    opening = " ".join(" ".join(BREAK.split(spoken if spoken.strip() else plain)[:OPENING_SENTENCES]).split())
    return not HELPS.search(opening) and bool(REFUSAL.search(opening))


def is_loop(text: str) -> bool:
    """Return whether the text says the same over and over: a sentence, its tail, or half of its word runs.

    Not counted: fenced code, table rows, list numbers, and repeated signs that are no words ("!!!!").
    """
    prose = LIST_MARK.sub("", SET_TEXT.sub("", text)).lower()
    words = WORD.findall(prose)
    return _repeats_sentence(prose) or _repeats_tail(words) or _repeats_runs(words)


def _repeats_sentence(prose: str) -> bool:
    pieces = (piece for line in prose.split("\n") if line for piece in BREAK.split(line))
    ended = (WORD.findall(piece) for piece in pieces if piece.rstrip(AROUND + " ").endswith(tuple(STOPS)))
    seen = Counter(tuple(words) for words in ended if len(words) >= SENTENCE_WORDS)
    return max(seen.values(), default=0) >= SENTENCE_TIMES


def _repeats_tail(words: list[str]) -> bool:
    """Return whether the words end in copies of one unit; the very last word may be a cut-off stub."""
    for whole in (words, words[:-1]):
        for unit in range(1, UNIT_WORDS + 1):
            need = max(RUN_WORDS, RUN_TIMES * unit)
            tail = whole[-need:]
            if len(tail) == need and tail[unit:] == tail[:-unit]:
                return True
    return False


def _repeats_runs(words: list[str]) -> bool:
    grams = list(zip(*(words[start:] for start in range(GRAM)), strict=False))
    return len(words) > GRAMS_FROM and len(set(grams)) < GRAMS_SHARE * len(grams)


def to_last_sentence(text: str) -> str:
    """Return the text up to the end of its last whole sentence, '' when it has none.

    What follows that sentence goes: a cut-off one, a dangling list number, markdown, a table or code.
    """
    return text[: last_sentence_end(text)]


def last_sentence_end(text: str) -> int:
    """Return the offset in characters behind the last whole sentence and its closing marks, 0 without one.

    Not counted: stops in numbers, URLs and file names, after abbreviations, initials and list numbers.
    """
    stops = reversed(list(END.finditer(text))[-STOPS_TRIED:])
    return next((found.end() for found in stops if _ends_sentence(text, *found.span())), 0)


def _ends_sentence(text: str, stop: int, end: int) -> bool:
    look_from = max(0, stop - LOOK_BACK)
    before = text[look_from:stop].rstrip(AROUND)
    if not before or before[-1].isspace():
        return False
    following = text[end : end + 3].strip(" ")[:1]
    if text[stop:end].strip(AROUND) == ".":
        return not COUNTS.search(text, look_from, stop) and _is_last_word(before.split(), following)
    return not following.islower() or text[stop:end] in ("!", "?")  # not: "Why?" she asked; well... maybe


def _is_last_word(words: list[str], following: str) -> bool:
    """Return whether the last of the words before a full stop is no abbreviation or initial."""
    word, previous = words[-1].strip(AROUND), "".join(words[-2:-1]).strip(AROUND)
    if INITIALS.fullmatch(word):
        named = previous[:1].isupper() and not LABEL.fullmatch(previous)
        return previous != "by" and not (following.isalpha() if "." in word else named)
    if NEVER_LAST.fullmatch(word) or (BEFORE_NUMBER.fullmatch(word) and following.isdigit()):
        return False
    return not (MAY_BE_LAST.fullmatch(word) and following.islower())
