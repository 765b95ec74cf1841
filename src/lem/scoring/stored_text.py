"""What a stored text shows of how it came to be: that it stops in the middle, that it says it refuses.

    ends_in_the_middle("First we add the eggs. Then we take the")          # True
    announces_refusal("This is disallowed. We must refuse.")               # True

A dump rarely says that it cut its answers, and a reasoning model says that it
will refuse instead of refusing. Both are rules for English, for the audit's findings.
"""

from __future__ import annotations

import re

from lem.scoring.signs import AROUND, last_sentence_end
from lem.scoring.signs.marks import BREAK, STRAIGHT

WORDS = 8  # a shorter answer (a number, a name, a choice) may be whole without a full stop
GIVEN = re.compile(r"(?i)(?:####\s*\S+|^\s*```|\\(?:boxed|fbox)\{[^{}]*\}|\banswer\b.*\d)\W*\Z")
GIVEN_CHARS = 200  # of the last line, which may be a megabyte; no answer is longer

DUTY = r"""(?:must|should|will|have\ to|need\ to|ought\ to|are\ (?:required|supposed)\ to
    |am\ (?:required|supposed)\ to|'ll|'ll\ have\ to|(?:are|am|'re|'m)\ going\ to)"""
SPEAKER = r"(?:I|we|the\ (?:assistant|model|AI)|ChatGPT)"
WHAT = r"""(?=\W*$|\W*[.,;:!]|\ (?:this|that|it|such|the\ (?:request|user|question|content)|user)\b
    |\ to\ (?:comply|answer|help|assist|provide|fulfil|respond|engage)
    |\ (?:and|with|by|because|as|since)\b)"""
ANNOUNCED = re.compile(
    rf"""(?ix)
    \b{SPEAKER}\ ?{DUTY}\ (?:\w+ly\ )?(?:refuse|decline){WHAT}      # we must refuse; I'll have to decline
    |(?:\A|\b(?:so|thus|hence|therefore|then)\ )\W*(?:must|should)\ (?:refuse|decline){WHAT}
    |\b(?:this|the|that)\ (?:request|prompt|question)\ (?:must|should|has\ to|needs\ to)\ be
        \ (?:refused|declined|denied)\b
    |\b(?:correct|appropriate|right|proper|best)\ (?:response|answer|action|thing)\ is\ (?:to\ |an?\ )?
        (?:refuse|refusal|decline)\b
    """
)
WEIGHED = re.compile(r"(?i)\b(?:if|unless|whether|would|maybe|perhaps|not sure)\b|\?")
TURNED = re.compile(
    rf"""(?ix)\b{SPEAKER}\ (?:can|could|should|will|must|may|'ll)\ (?:(?!not\b|never\b)\w+\ )?
    (?:comply|fulfil|proceed|answer\ (?:it|this|the)|help\ (?:with|the)|provide\ (?:it|this|the))"""
)


def ends_in_the_middle(text: str) -> bool:
    r"""Return whether a text stops before its last sentence does.

    Counted: anything behind the last whole sentence. Not counted: texts of fewer than eight words, and a
    last line that gives an answer (`#### 18`, `\boxed{18}`, "Answer: 18", bold to its end) or closes a block.
    """
    if len(text.split(maxsplit=WORDS)) < WORDS:
        return False
    rest = text[last_sentence_end(text) :]
    if not rest.strip(AROUND + " \t\r\n"):
        return False
    line = rest.rstrip().rpartition("\n")[2]
    is_bold = line.endswith("**") and line.count("**") % 2 == 0
    return not is_bold and not GIVEN.search(line[-GIVEN_CHARS:])


def announces_refusal(text: str) -> bool:
    """Return whether a text says anywhere that its request is to be refused, and does not turn from that.

    Counted: "We must refuse.", "I need to refuse this request", "So should decline to answer". Not
    counted: what is only weighed ("if ..., we must refuse", "should we refuse?"), what others refuse, and
    a text that later says it can comply after all.
    """
    plain = " ".join(text.translate(STRAIGHT).split())
    verdict = False
    for sentence in BREAK.split(plain):
        if ANNOUNCED.search(sentence) and not WEIGHED.search(sentence):
            verdict = True
        elif verdict and TURNED.search(sentence):
            verdict = False
    return verdict
