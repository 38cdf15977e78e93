"""An instance's receipts on this machine as the host, in a folder of the test's own."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from unit.instance.hosts import VLLM, instance

from glmprov.actions.deploy.records import expected_of, receipt_of
from glmprov.errors import ApplyError
from glmprov.inventory import Host
from glmprov.journal import instances
from glmprov.remote import Channel, connect

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the journal is root's")


@pytest.fixture
def channel() -> Channel:
    return connect(Host("here", {"ansible_connection": "local"}))


def test_receipts_are_listed_by_number_and_dropped_one_by_one(channel: Channel, tmp_path: Path) -> None:
    home, made = str(tmp_path), instance(VLLM)
    first = receipt_of(made, expected_of(made, None, {}), None)
    assert instances.names(channel, home=home) == () and instances.numbers(channel, "glm", home=home) == ()
    for number in (1, 2, 10):
        instances.write(channel, replace(first, number=number), home=home)
    assert instances.names(channel, home=home) == ("glm",)
    assert instances.numbers(channel, "glm", home=home) == (1, 2, 10)
    instances.drop(channel, "glm", [1, 2, 7], home=home)
    assert instances.numbers(channel, "glm", home=home) == (10,)
    assert instances.read(channel, "glm", 10, home=home) == replace(first, number=10)
    assert (tmp_path / "glm/receipt.json").exists()


def test_a_receipt_that_somebody_edited_is_not_read(channel: Channel, tmp_path: Path) -> None:
    made = instance(VLLM)
    instances.write(channel, receipt_of(made, expected_of(made, None, {}), None), home=str(tmp_path))
    file = tmp_path / "glm/receipts/0001.json"
    file.write_text(file.read_text().replace('"port": 8000', '"port": 8001', 1))
    with pytest.raises(ApplyError, match="edited by hand"):
        instances.read(channel, "glm", 1, home=str(tmp_path))
