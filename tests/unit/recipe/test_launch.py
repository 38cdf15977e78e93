"""A launch, changed and written down."""

from __future__ import annotations

from glmprov.recipe import Change, Launch, changed, words

PUBLISHED = Launch(
    "sglang",
    "0.5.9",
    ("python", "-m", "sglang.launch_server"),
    {"model-path": "a/b", "tp": "4", "quantization": "fp8", "enable-torch-compile": True},
    {"A": "1", "B": "2"},
)


def test_argv_is_in_the_order_in_which_it_was_written() -> None:
    assert PUBLISHED.argv() == (
        *("python", "-m", "sglang.launch_server", "--model-path", "a/b"),
        *("--tp", "4", "--quantization", "fp8", "--enable-torch-compile"),
    )


def test_a_change_keeps_places_renames_adds_at_the_end_and_takes_away() -> None:
    change = Change(
        renamed={"tp": "tp-size"},
        arguments={"model-path": "c/d", "quantization": None, "tool-call-parser": "glm47"},
        environment={"A": None, "C": "3"},
    )
    after = changed(PUBLISHED, change, "correction")
    assert list(after.arguments.items()) == [
        ("model-path", "c/d"),
        ("tp-size", "4"),
        ("enable-torch-compile", True),
        ("tool-call-parser", "glm47"),
    ]
    assert after.environment == {"B": "2", "C": "3"}


def test_every_value_says_who_set_it() -> None:
    once = changed(PUBLISHED, Change(arguments={"port": "1"}), "correction")
    twice = changed(once, Change(arguments={"port": "2"}), "--set")
    assert once.origin("arguments.port") == "correction"
    assert twice.origin("arguments.port") == "--set"
    assert twice.origin("arguments.tp") == "published"


def test_names_are_spelled_as_the_programs_take_them() -> None:
    given = {"": "MODEL", "p": ("1:1", "2:2"), "tp": "4", "-tp": "8", "rm": True, "init": False}
    assert words(given) == ("MODEL", "-p", "1:1", "-p", "2:2", "--tp", "4", "-tp", "8", "--rm")
