"""Whether an answer speaks as "I".

speaks_in_first_person("I would ask the nurse first.")       # True
speaks_in_first_person('The nurse says: "I saw it myself."') # False
"""

from __future__ import annotations

import re

from lem.scoring.signs.marks import STRAIGHT

# What others say and what is no prose; a mark that is not closed holds to its paragraph's end.
FENCE = re.compile(r"(?ms)^[ \t]*(?:```.*?(?:^[ \t]*```|\Z)|>[^\n]*)")
CODE = re.compile(r"`[^`\n]*`|\$[^$\n]*\$|https?://\S+")
SPOKEN = re.compile(r"(?<!\w)\"(?:[^\"\n]|\n(?![ \t]*\n))*\"?|“(?:[^”\n]|\n(?![ \t]*\n))*”?|«[^»\n]*+»?")
SINGLE = re.compile(r"(?<!\w)'(?=[A-Z])(?:[^'\n]|'(?=\w)){1,200}'(?!\w)")  # 'I am here,' she said
LETTER = re.compile(
    r"(?im)^[ \t>*_]*(?:subject[*_]*:|dear[ ](?!me\b)[^\n]{1,60}$|to[ ]whom[ ]it[ ]may[ ]concern)"
)
SIGNED = re.compile(
    r"(?im)^[ \t>*_]*(?:yours|sincerely|best|regards|respectfully|faithfully|love"
    r"|(?:kind|warm|best)(?:est)?[ ]\w+|with[ ]\w+|thanks|thank[ ]you)(?:[ ]\w+)?,?[ \t*_]*$"
)

CONTRACTED = re.compile(r"(?<![\w/.@#-])(?:I|i)'(?:m|ve|ll|d)\b")
# "I" before a small letter, or last in its clause; not "I is the current", "I and II", "I/O", "I. Scope".
PRONOUN = re.compile(
    r"(?<![\w/.@#&-])I(?![*_]{0,2},? (?:(?:and|or|to|through|vs\.?) )?[IVX]+\b)[*_]{0,2}"
    r"(?:,? [*_]{0,2}(?!(?:is|has|equals|flows?|denotes|represents|stands for|of)\b)(?=[a-z])"
    r"|(?=[.!?;:,…][*_\s]|[.!?…]\Z))"
)
LOWER = re.compile(
    r"(?<![\w/.@#&'-])i (?:am|can'?t|cannot|can|will|won't|think|have|want|would|could|do|don't|was|feel)\b"
)
POSSESSIVE = re.compile(
    r"(?<![\w/.@#-])(?:(?<!\boh )(?<!\bOh )my(?! (?:god|goodness|gosh)\b)|My(?= [a-z])|me"
    r"|[Mm]yself|(?:is|are|was|were|be|of|like|than|not|and) mine)(?![\w@/-])"
)

LOOK_BACK = 30  # characters; room for the two words before an "I"
BEFORE = re.compile(r"(?:\A|[^\w'-])([\w'-]+)[*_]* [*_]*\Z")  # in the same clause
MARK = re.compile(r"(?:\A|\n)[ \t>*_#-]*\(?[*_]*\Z")  # "I. Introduction" opens a line
ROMAN = re.compile(r"[IVX]+")
# Before a capital I these words name a numbered thing.
NUMBERED = re.compile(
    r"(?i)(?:type|class|part|phase|level|stage|grade|group|category|chapter|volume|book|section|article|title"
    r"|act|scene|appendix|war|numeral|factor|region|tier|schedule|division|table|figure|step"
    r"|round|unit|module|theorem|lemma|equation|axiom|option|plan|vitamin|copper|iron)s?"
)
# With a capital letter before an I, these are no names: "When I", not "Elizabeth I".
STARTERS = re.compile(
    r"(?i)and|but|or|nor|so|yet|if|when|while|as|since|because|although|though|once|until|unless|where|what"
    r"|how|why|who|whom|which|that|this|these|those|than|then|here|there|now|today|yesterday|tomorrow"
    r"|tonight|maybe|perhaps|also|still|first|second|third|next|last|yes|no|should|can|could|would|will"
    r"|do|did|may|might|am|was|have|had|must|shall|not|only|before|after|for|like|whenever|wherever"
    r"|whatever|however|therefore|hence|thus|instead|sometimes|often|later|everything|something|anything"
    r"|nothing|all|again|too|well|oh|neither|never|always|whether|in|\w+ly"
)


def speaks_in_first_person(text: str) -> bool:
    """Return whether the answerer speaks as "I": I, me, my, mine, myself, I'm, I've, I'll, I'd.

    Not counted: "we" and "our" (they often mean everybody), what stands in quotation marks, block quotes,
    code, formulas and addresses, a drafted letter from "Dear ..." or "Subject:" to its closing, numerals
    ("World War I", "Type I", "I. Introduction"), and a "mine" of coal.

    Limits: a story, a script without quotation marks, a consent form or a poem that says "I" is counted;
    an "I" right behind a capitalised word in mid-sentence ("In Paris I saw") is taken for a numeral.
    """
    plain = own_words(text)
    if CONTRACTED.search(plain) or LOWER.search(plain) or POSSESSIVE.search(plain):
        return True
    return any(is_pronoun(plain, found.start()) for found in PRONOUN.finditer(plain))


def own_words(text: str) -> str:
    """Return the text without what others say in it: quoted speech, drafted letters, code and formulas."""
    prose = CODE.sub(" ", FENCE.sub(" ", text))
    return _without_letters(SINGLE.sub(" ", SPOKEN.sub(" ", prose.translate(STRAIGHT))))


def _without_letters(text: str) -> str:
    kept, at = [], 0
    while letter := LETTER.search(text, at):
        kept.append(text[at : letter.start()])
        signed = SIGNED.search(text, letter.end())
        at = signed.end() if signed else len(text)
    return "".join([*kept, text[at:]])


def is_pronoun(text: str, at: int) -> bool:
    """Return whether the capital I at this offset is a person, judged by the word before it."""
    before = text[max(0, at - LOOK_BACK) : at]
    if MARK.search(before) and text[at + 1 : at + 2] in (".", ")", ":"):
        return False
    found = BEFORE.search(before)
    if not found:
        return True
    word = found[1]
    if NUMBERED.fullmatch(word) or ROMAN.fullmatch(word):
        return False
    return not word[:1].isupper() or bool(STARTERS.fullmatch(word))
