from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glmprov.probe.clean import clean, clean_all

HOSTILE = st.text(st.one_of(st.characters(), st.sampled_from("\x1b[]\x9b\x07\\0;m\r\n\u202e")))


@given(HOSTILE)
def test_nothing_that_steers_a_terminal_is_left(text: str) -> None:
    kinds = {unicodedata.category(character) for character in clean(text) if character not in "\n\t"}
    assert not kinds & {"Cc", "Cs", "Zl", "Zp"}


@given(HOSTILE)
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_plain_text_stays(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://example.com\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("line\r\nline", "line\nline"),
        ("back\x08space", "back\ufffdspace"),
    ],
)
def test_what_is_left(text: str, left: str) -> None:
    assert clean(text) == left


def test_keys_and_lists_are_cleaned_too() -> None:
    assert clean_all({"\x1b[1mkey": ["\x1b[2Jvalue", 3, None]}) == {"key": ["value", 3, None]}
