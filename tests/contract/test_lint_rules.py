"""Each rule has data that can be read, a check if it says so, and cases that trigger it and that don't."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from unit.lint.cases import FOLDER, Case, found, read

from glmprov.catalog import read as read_data
from glmprov.engines.meaning import engines
from glmprov.lint import LEVELS, Rule, rules
from glmprov.lint.checks import checks
from glmprov.lint.conditions import KEYS, Condition, in_range

RULES = list(rules().values())


def cases(kind: str) -> list[object]:
    return [
        pytest.param(path.stem, case, id=f"{path.stem}-{number}")
        for path in sorted(FOLDER.glob("*.yml"))
        for number, case in enumerate(read(path).get(kind, ()))
    ]


def conditions(condition: Condition) -> Iterator[Condition]:
    yield condition
    for each in (*condition.get("any", ()), *([condition["not"]] if "not" in condition else [])):
        yield from conditions(each)


def test_every_check_belongs_to_a_rule_and_every_rule_that_wants_one_has_it() -> None:
    assert set(checks()) == {rule.id for rule in RULES if rule.check}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_says_why_what_to_do_and_who_says_so(rule: Rule) -> None:
    assert rule.level in LEVELS and rule.level != "unknown"
    for text in (rule.sentence, rule.why, rule.fix, rule.source):
        assert text.strip(), rule.id
    assert rule.when or rule.check
    assert set(rule.engines) | set(rule.unsettled) <= set(engines())
    assert set(rule.unsettled) <= set(rule.engines), (
        "unsettled releases of an engine that the rule isn't about"
    )
    for range_ in (*rule.engines.values(), *rule.unsettled.values()):
        in_range("1.0", range_)
    for each in conditions(rule.when):
        assert set(each) <= set(KEYS), f"{rule.id}: no such word"
    assert set(rule.instead_of) <= set(rules())
    assert len(rule.sides) != 1, "one side is no contest"


def test_every_source_that_is_named_short_is_cited() -> None:
    sources = read_data("rules.yml")["sources"]
    cited = "".join(rule.source + "".join(side.source for side in rule.sides) for rule in RULES)
    assert [name for name, text in sources.items() if text not in cited] == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_has_a_case_that_triggers_it_and_one_that_does_not(rule: Rule) -> None:
    content = read(FOLDER / f"{rule.id}.yml")
    assert content["triggers"] and content["spares"]
    assert set(content) <= {"triggers", "spares", "unknown"}


def test_every_case_file_is_of_a_rule() -> None:
    assert {path.stem for path in FOLDER.glob("*.yml")} == set(rules())


@pytest.mark.parametrize(("rule", "case"), cases("triggers"))
def test_it_triggers(rule: str, case: Case) -> None:
    said = [finding for finding in found(case) if finding.rule == rule]
    assert said and all(finding.level == rules()[rule].level for finding in said)
    sentences = " ".join(finding.sentence for finding in said)
    for words in case.get("says", ()):
        assert str(words) in sentences, f"{words!r} isn't in {sentences!r}"
    assert case.get("place", said[0].place) == said[0].place
    assert "{" not in said[0].fix + said[0].why


@pytest.mark.parametrize(("rule", "case"), cases("spares"))
def test_it_does_not_trigger(rule: str, case: Case) -> None:
    said = [f.sentence for f in found(case) if f.rule == rule and f.level != "unknown"]
    assert said == []


@pytest.mark.parametrize(("rule", "case"), cases("unknown"))
def test_it_says_that_it_can_not_be_known(rule: str, case: Case) -> None:
    said = [finding for finding in found(case) if finding.rule == rule]
    assert [finding.level for finding in said] == ["unknown"]
    assert said[0].sentence.startswith("can't be known: ")
