"""Whether an answer begins with a stock phrase of assistants instead of an answer.

    opens_formulaically("Certainly! Here is a plan.")        # True
    opens_formulaically("The nurse gets a sealed form.")     # False

The list was read off answers of small instruction-tuned models (SmolLM2, Gemma 3) and their fine-tunes.
"""

from __future__ import annotations

import re

from lem.scoring.signs.marks import STRAIGHT

OPENING_CHARS = 240  # every phrase below fits, behind a greeting
LEAD = re.compile(r"(?:[^\w\"“'‘«(\[<]|_)+")  # markdown, emoji and space, but no quotation: that is a story
LABEL = re.compile(r"(?i)(?:assistant|answer|response|reply|AI)[\s*_]{0,4}:")
GREETING = r"(?:(?:hello|hi|hey|greetings|wow|ah|oh|hmm|well)(?:\ there|\ again)?\b[^\w\"'(]+)?"

VERY = r"(?:[\w'-]+,?\ ){0,6}?"  # "really", "very common and"
JUDGED = r"""(?:great|good|excellent|fantastic|wonderful|brilliant|amazing|lovely|nice|interesting|fascinating
    |intriguing|compelling|thoughtful|thought-provoking|insightful|profound|deep|important|crucial|critical
    |valid|powerful|poignant|beautiful|evocative|inspiring|complex|complicated|nuanced|difficult|hard|tough
    |tricky|challenging|sensitive|delicate|controversial|debated|discussed|painful|timely|classic|fun
    |multifaceted)"""
ASKED = r"""(?:questions?|query|request|riddle|puzzle|topic|subject|issue|challenge|dilemma|scenario|situation
    |problem|matter|points?|observation|thought|sentiment|statement|perspective|concern|goal)"""
JUDGES = (
    rf"an?\ {VERY}(?:{JUDGED}|(?:common|frequently?\ asked)(?=[^.!?]{{0,60}}\ question)),?\ {VERY}{ASKED}\b"
)
MACHINE = r"""(?:[a-z]+,?\ ){0,3}?(?:AI|artificial\ intelligence|language\ model|chatbot
    |(?:virtual|digital)\ assistant)(?:\ (?:language\ )?(?:model|assistant|chatbot))?
    (?=[.,!:]|\ (?:I|and|so|but|that|who|trained|developed|created|designed|built|here)\b)"""
GLAD = r"(?:(?:more\ than|so|very|really|truly|always)\ )?(?:glad|happy|pleased|delighted|thrilled|excited)"
SERVES = r"(?:help|assist|hear|answer|explain|provide|share|offer|support|listen|guide|be\ of)"
NOTE = r"""(?:note|noting|remember|understand|acknowledge|recogni[sz]e|consider|mention(?:ing)?|clarify
    |emphasi[sz]e|approach|address|be\ (?:aware|clear)|keep\ in\ mind|point\ out|stress|preface)"""
BREAKS_DOWN = r"""(?:break|dive|delve|explore|unpack|tackle|(?:start|begin)\ (?:by|with)|walk\ through
    |talk\ about|discuss|explain|analy[sz]e|address|solve|think\ (?:about|through|step)|work\ through
    |look\ at|take\ a\ (?:look|closer)|examine|clarify|design|be\ (?:clear|upfront|honest))"""
OFFERS = rf"""(?:here\b|let(?:'s|\ me|\ us)\b|below\b|(?:I'm\ |I\ am\ |I'd\ be\ |I\ would\ be\ )?{GLAD}\ to
    |I'll\ |I\ will\ |I\ can\ {SERVES})"""

ASSENTS = rf"""(?:(?:sure(?:\ thing)?|okay|ok|alright|all\ right|got\ it|understood|no\ problem|gladly)
        (?:[!,.:…]|\ ?[–—]|\ -)(?=[^\w]*\w)
    |(?:certainly|of\ course)!(?=\ \w) |(?:certainly|of\ course|absolutely|definitely)[!,.:]\ {OFFERS})"""
PRAISES = rf"""(?:(?:that|this|it)(?:'s|\ is)(?:\ (?:really|indeed|actually|truly|such))?\ {JUDGES}
    |(?:what|such)\ {JUDGES} |(?:an?\ {VERY})?{JUDGED}\ (?:questions?|points?|observation)(?=[!.,:—–]|$)
    |the\ (?:question|issue|topic)\ of\ [^.!?]{{3,150}}?\ is\ (?:an?|one\ of)\ {VERY}{JUDGED}\b
    |you(?:'ve|\ have)\ (?:\w+\ ){{1,3}}?an?\ {VERY}{JUDGED},?\ {VERY}(?:{ASKED}|idea|truth|principle)\b
    |you(?:'ve|\ have)\ (?:just\ )?(?:hit|touched)\ (?:on|upon)\b |you\ (?:raise|ask|pose|bring\ up)\ {JUDGES}
    |you(?:'re|\ are)\ (?:(?:absolutely|completely|totally|quite)\ right|right\ to\ (?:ask|question|notice))
    |that(?:'s|\ is)\ (?:wonderful|fantastic|great|awesome|amazing)(?:\ to\ hear|\ that\ you|!))"""
FEELS = rf"""(?:I(?:'m|\ am)\ {GLAD}\ (?:that\ )?you(?:'re|\ are|\ asked|\ reached|\ brought)\b
    |(?:I(?:'m|\ am|(?:'d|\ would|'ll|\ will)\ be)\ )?{GLAD}\ to\ {SERVES}\b
    |I(?:'m|\ am)\ here\ to\ {SERVES}\b
    |I(?:'d|\ would)\ (?:love|like)\ to\ {SERVES}\b |how\ (?:can|may)\ I\ (?:help|assist)\b
    |(?:thank\ you|thanks)(?:\ so\ much|\ very\ much)?\ for\ (?:asking|sharing|reaching|bringing|raising
        |posing|trusting|your\ (?:\w+\ )?(?:question|message|trust|inquiry|interest|patience|request))\b
    |I\ appreciate\ (?:your|you|the\ question)\b |I\ hear\ you\b |it\ (?:sounds|seems)\ like\ you\b
    |I\ (?:(?:completely|fully|totally|can)\ )?understand\ (?:that\ |how\ |why\ )?
        you(?:r|'re|'ve|\ (?:are|have|want|need|feel|may|might))\b
    |(?:I(?:'m|\ am)\ )?(?:(?:so|very|really|truly|deeply)\ )?sorry
        \ (?:to\ hear|for\ (?:the|your|any)|you're)\b
    |I\ apologi[sz]e\ for\ (?:the|any|my)\b
    |it(?:'s|\ is)\ {VERY}(?:brave|wonderful|fantastic|great|understandable)
        \ (?:of\ you|that\ you|you're)\b)"""
PREFACES = rf"""(?:as\ an?\ {MACHINE} |I(?:'m|\ am)\ (?:just|only|merely)\ an?\ {MACHINE}
    |I(?:'m|\ am)\ an?\ {MACHINE},?\ (?:and|so|but)\b
    |(?:first\ (?:and\ foremost|of\ all),?\ )?it(?:'s|\ is)\ {VERY}
        (?:important|crucial|essential|vital|critical|imperative|worth)\ (?:to\ )?{NOTE}\b
    |please\ (?:note|remember|be\ aware|keep\ in\ mind)\b
    |(?:navigating|addressing|tackling|approaching|unpacking|balancing|handling)\ (?:this|these|such|the)\b
        (?=[^.!?]{{0,60}}\b(?:complex|complexit|difficult|delicate|sensitive|nuance|challeng|landscape|dilemma))
    |here(?:'s|\ is|\ are)\ (?:an?|my|our|one|some|your|how|what|why|two|three|four|five|six|seven|ten|several
        |\d+|the\ (?:\w+\ )?(?:answer|solution|breakdown|list|plan))\b
    |let(?:'s|\ us|\ me)\ {BREAKS_DOWN}\b |when\ it\ comes\ to\b |in\ a\ world\ (?:where|of)\b
    |in\ (?:today's|the\ (?:realm|world|age|era)\ of|(?:the|this|an)\ (?:ever-|fast-|rapidly))
    |to\ answer\ (?:your|this)\ question)"""
FORMULA = re.compile(rf"(?ix) {GREETING} (?:{ASSENTS}|{PRAISES}|{FEELS}|{PREFACES})")


def opens_formulaically(text: str) -> bool:
    """Return whether the answer begins with a stock phrase of assistants instead of an answer.

    Counted, behind markdown, emoji, a greeting or a label ("Assistant:"): assent ("Certainly! ...",
    "Sure, ...", "Okay, ..."), praise or weighing of the question ("Great question!", "That's a really
    complex issue", "You've hit on an important point"), feeling and service ("I'm glad you asked", "I
    understand you're upset", "I'm here to help"), and prefaces ("As an AI language model, ...", "It's
    important to note that", "Here's a ...", "Let's break this down", "Navigating this complex issue").

    Not counted: the same words later on, in quotation marks, or as the answer itself ("Sure." alone,
    "Certainly not.", "That's a harmful stereotype."), a refusal's apology ("I'm sorry, but I can't"; see
    is_refusal), a question restated, a heading, or thinking aloud ("The user asks ..."). A poem or letter
    that happens to begin so ("Here is a house") is counted.
    """
    start = text.lstrip()[:OPENING_CHARS].translate(STRAIGHT)
    start = LEAD.sub("", start, count=1) if LEAD.match(start) else start
    label = LABEL.match(start)
    plain = " ".join(start[label.end() if label else 0 :].translate(UNMARKED).split())
    return bool(FORMULA.match(plain))


UNMARKED = str.maketrans("", "", "*_#")  # "**Certainly!**"
