"""Whatever the arguments, the verdict is the one of argparse itself, set up with the catalogue's flags.

argparse stops at its first fault; so its sentence has to be among ours. Where it accepts, the values must be the same.
"""

from __future__ import annotations

import argparse
import json
from functools import cache
from typing import Any, NoReturn

from hypothesis import given
from hypothesis import strategies as st

from glmprov.engines.faults import Kind
from glmprov.engines.flags import Catalogue, Flag, catalogue
from glmprov.engines.parsing import parse

PAIRS = [
    ("sglang", "0.5.9"),
    ("sglang", "0.5.14"),
    ("sglang", "0.5.23"),
    ("vllm", "0.11.2"),
    ("vllm", "0.33.0"),
]
TYPES = {"int": int, "float": float, "json": json.loads}


class RefusedError(Exception):
    pass


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise RefusedError(message)


def simple(flag: Flag) -> bool:
    """Say whether argparse alone can do what the engine does with a flag's values."""
    return flag.type in ("bool", "str", "int", "float", "json") and not flag.optional and not flag.appends


@cache
def parser(engine: str, version: str) -> Parser:
    built = Parser(prog="engine")
    if engine == "vllm":
        built.add_argument("model_tag", nargs="?")
    for flag in catalogue(engine, version).flags:
        built.add_argument(*flag.spellings, **arguments(flag))
    return built


def arguments(flag: Flag) -> dict[str, Any]:
    if flag.nargs == 0:
        return {
            "action": "store_const",
            "const": True,
            "dest": flag.destination,
            "default": argparse.SUPPRESS,
        }
    kind = TYPES.get(flag.type, str) if simple(flag) else str
    choices = flag.choices if simple(flag) and flag.checked else None
    return {
        "type": kind,
        "nargs": flag.nargs,
        "dest": flag.destination,
        "default": argparse.SUPPRESS,
        "choices": [kind(choice) for choice in choices] if choices else None,
    }


def lines(found: Catalogue) -> st.SearchStrategy[list[str]]:
    """Draw argument lists: names whole, cut short and misspelled, with values that fit and that don't."""
    whole = st.sampled_from([s for flag in found.flags if simple(flag) for s in flag.spellings])
    short = st.builds(lambda name, cut: name[: max(3, len(name) - cut)], whole, st.integers(0, 12))
    follows = st.sampled_from(["1", "-1", "-0.5e", "0.5", "x", "fp8", "a b", "-x y", "-", "{}", "02"])
    value = follows | st.just("--")  # not behind "=": what --x=-- means differs from one Python to the next
    chosen = st.builds(
        lambda flag, number: flag.choices[number % len(flag.choices)],
        st.sampled_from([flag for flag in found.flags if flag.choices and flag.checked and simple(flag)]),
        st.integers(0, 50),
    )
    joined = st.builds("{}={}".format, short, follows)
    return st.lists(st.one_of(whole, short, joined, value, chosen), max_size=7)


def drawn() -> st.SearchStrategy[tuple[str, str, list[str]]]:
    return st.sampled_from(PAIRS).flatmap(
        lambda pair: st.tuples(*map(st.just, pair), lines(catalogue(*pair)))
    )


@given(drawn())
def test_the_verdict_is_the_one_of_argparse(case: tuple[str, str, list[str]]) -> None:
    engine, version, argv = case
    if engine == "vllm":
        # What vLLM does before argparse is judged by cases of its own.
        argv = [text for text in argv if "." not in text and "_" not in text and not text.startswith("-O")]
        argv = [text for text in argv if text.partition("=")[0] != "--model"]
    parsed = parse(catalogue(engine, version), argv)
    refused = [fault for fault in parsed.refused if fault.kind is not Kind.REQUIRED]
    try:
        space = vars(parser(engine, version).parse_args(argv))
    except RefusedError as said:
        assert refused, f"argparse: {said}"
        if str(said).startswith("unrecognized arguments"):
            assert refused[0].kind is Kind.UNKNOWN
        else:
            assert _words(str(said)) in [_words(fault.sentence) for fault in refused]
        return
    assert not refused
    space.pop("model_tag", None)
    for destination, value in space.items():
        ours = parsed.value_of(destination)
        assert ours is not None
        assert _same(ours, value)


def _words(sentence: str) -> str:
    """Return a sentence without the way in which an argument's own names are joined."""
    return sentence.split(": ", 1)[1] if sentence.startswith("argument ") else sentence


def _same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, bool):
        return True  # argparse was told to store the same for --x and --no-x
    if isinstance(theirs, list):
        return len(ours) == len(theirs)
    return theirs is None or type(theirs)(json.loads(ours) if isinstance(theirs, dict) else ours) == theirs


@given(st.data())
def test_every_unique_beginning_stands_for_its_flag(data: st.DataObject) -> None:
    found = catalogue(*data.draw(st.sampled_from(PAIRS)))
    name = data.draw(
        st.sampled_from([name for flag in found.flags for name in flag.names if name.startswith("--")])
    )
    cut = data.draw(st.integers(3, len(name)))
    others = [s for s in (*found.spellings, "--help") if s.startswith(name[:cut])]
    parsed = parse(found, [name[:cut], "1"])
    kinds = {fault.kind for fault in parsed.faults}
    if others == [name]:
        assert parsed.given[0].name == name or Kind.MISSING_VALUE in kinds
    elif name[:cut] in others:
        assert Kind.AMBIGUOUS not in kinds
    else:
        assert Kind.AMBIGUOUS in kinds


@given(st.data())
def test_what_was_read_can_be_written_and_read_again(data: st.DataObject) -> None:
    found = catalogue(*data.draw(st.sampled_from(PAIRS)))
    flags = data.draw(
        st.lists(
            st.sampled_from([f for f in found.flags if f.nargs in (0, None) and f.type == "int"]), max_size=5
        )
    )
    argv = [part for flag in flags for part in (flag.name, "7")]
    first = parse(found, argv)
    again = parse(found, [part for given in first.given for part in (given.name, *given.values)])
    assert [(g.name, g.value, g.wins) for g in again.given] == [
        (g.name, g.value, g.wins) for g in first.given
    ]
