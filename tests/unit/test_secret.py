"""A secret shows itself nowhere."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import json
import logging
import pickle

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from glmprov.secret import Secret, redact, reveal

TEXT = "hunter two"
SECRET = Secret(TEXT)


@dataclasses.dataclass(frozen=True)
class Holder:
    password: Secret


@pytest.mark.parametrize(
    "shown",
    [
        str(SECRET), repr(SECRET), f"{SECRET}", f"{SECRET!r:>20}", "x" + SECRET, SECRET + "x",
        ",".join([SECRET]), SECRET.upper(), SECRET[0:5], json.dumps({"a": [SECRET]}), repr(Holder(SECRET)),
        repr(dataclasses.asdict(Holder(SECRET))), str(vars(SECRET) if hasattr(SECRET, "__dict__") else ""),
        repr(pickle.dumps(SECRET)), repr(pickle.loads(pickle.dumps([SECRET]))), SECRET.encode().decode(),
        "".join(SECRET), format(SECRET, "20"), str(bytes(SECRET, "utf-8")), repr(hash(SECRET)),
    ],
    ids=itertools.count(),  # a hash is salted: as a name it would be another one in each process
)  # fmt: skip
def test_it_is_masked(shown: str) -> None:
    assert "hunter" not in shown.lower() and "two" not in shown


def test_logs_and_yaml(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("t").warning("password %s %r", SECRET, [SECRET])
    assert TEXT not in caplog.text
    with pytest.raises(yaml.representer.RepresenterError):
        yaml.safe_dump(SECRET)


def test_it_is_revealed_where_asked() -> None:
    assert SECRET.reveal() == reveal(SECRET) == Secret(SECRET).reveal() == TEXT
    assert copy.deepcopy([SECRET])[0].reveal() == copy.copy(SECRET).reveal() == TEXT
    assert reveal(22) == "22"


def test_equality_tells_nothing() -> None:
    assert Secret("a") == Secret("a") and Secret("a") != Secret("b")
    assert Secret("a") != "a" and Secret("***") != "***"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert not Secret("") and SECRET


def test_it_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        SECRET.text = "x"  # type: ignore[attr-defined]


def test_redact_takes_the_longest_and_leaves_short_ones() -> None:
    secrets = [Secret("hunter"), Secret("hunter two"), Secret("a"), Secret("")]
    assert redact("a hunter two and a hunter", secrets) == "a *** and a ***"


@given(st.text(min_size=4), st.text(), st.text())
def test_redacted_text_holds_no_secret(hidden: str, before: str, after: str) -> None:
    if hidden not in "***" and "*" not in hidden:
        assert hidden not in redact(f"{before}{hidden}{after}", [Secret(hidden)]).replace("***", "\0")
