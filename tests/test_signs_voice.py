"""When an answer speaks as "I", and when an I is a numeral, a list mark or somebody else's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lem.scoring.signs import speaks_in_first_person

SPEAKS = [
    "I would ask the nurse.",
    "I'm here.",
    "I’ve seen it.",
    "I'll go, and I'd go again.",
    "i'm here",
    "i think so",
    "Tell me more.",
    "My advice: wait.",
    "That is not my place.",
    "The choice is mine.",
    "A friend of mine sails.",
    "It was written by myself.",
    "So do I.",
    "You and I.",
    "Who am I?",
    "And I agree.",
    "When I wait, it rains.",
    "Honestly I wonder.",
    "If so, I wait.",
    "**I** *cannot* say.",
    "What I, too, hope is this.",
    "1. I would ask.\n2. I would wait.",
    "- My plan is short.",
    "(I wait.)",
    '"Why?" she asked. I said nothing.',
    "She said 'wait,' and I waited.",
    "The nurses' rule is that I wait.",
    'She measured 12" of rain and told me so.',
    "World War I ended; I read about it.",
    "I. Scope\n\nI would begin with the ferry.",
    "```\nx = 1\n```\nI wrote that.",
    "Dear Tom,\n\nI am late.\n\nYours sincerely,\nAnn\n\nI kept it short.",
    "> What is it?\n\nI say: a lamp.",
    'He began: "It is late.\n\nI left.',
]
SILENT = [
    "",
    " \n",
    "The nurse gets a sealed form.",
    "We need to ask the clerk, and our form is long.",
    "You and your friends may ask.",
    "World War I was long.",
    "A type I error is a false alarm.",
    "Type I and Type II errors differ.",
    "I. Introduction",
    "**I. Core rules**\n\n**II. Costs**",
    "Part I: the ferry",
    "# I. The ferry",
    "(I) the ferry, (II) the clinic",
    "I) the ferry",
    "Elizabeth I ruled for long.",
    "Articles I and II apply.",
    "See volumes I, II and III.",
    "Chapters I to IV are short.",
    "The phase I trial is over.",
    "Take the I-95 north.",
    "The I/O port is closed.",
    "A.I. is a field.",
    "The current I is 5 amperes.",
    "Let $I$ be the rate and `I` the name.",
    "I = U / R",
    "An IP address is no name.",
    "It is in India.",
    "A coal mine closed; the mine was old.",
    "Academy, enemy and mystery.",
    "The #MeToo years.",
    "My Fair Lady is a film.",
    "Oh my!",
    'The nurse says: "I saw it myself."',
    "The nurse says: “I saw it myself.”",
    "The nurse says: ‘I don’t know.’",
    "'I'm here,' she said.",
    "« I am here », she said.",
    'She said: "I saw it\nand told my boss."',
    'He began: "I am cut off here and',
    "> I would ask.\n> So would I.",
    "```\nI = my_value\n```",
    "Print `my value` here.",
    "Open https://example.com/my/me now.",
    "Dear Ms Hill,\n\nI am writing about my flat.\n\nYours sincerely,\nTom",
    "A draft:\n\n**Subject:** My flat\n\nI moved out.\n\nBest regards,\n[Name]\n\nSend it by Friday.",
    "To whom it may concern\n\nI know her well.",
]


@pytest.mark.parametrize("text", SPEAKS)
def test_it_speaks(text):
    assert speaks_in_first_person(text)


@pytest.mark.parametrize("text", SILENT)
def test_it_does_not_speak(text):
    assert not speaks_in_first_person(text)


@given(st.sampled_from(SPEAKS[:10]), st.text("abc ,.\n"))
def test_what_others_say_before_it_takes_nothing_back(spoken, rest):
    assert speaks_in_first_person(f'"{rest}"\n\n{spoken}')


@given(st.sampled_from([text for text in SPEAKS if '"' not in text and "\n" not in text]))
def test_between_quotation_marks_it_is_somebody_else(spoken):
    assert not speaks_in_first_person(f'She says: "{spoken}"')
    assert not speaks_in_first_person(f"She says: “{spoken}”")
