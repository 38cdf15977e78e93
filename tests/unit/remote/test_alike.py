"""For hosts that no line of ssh_config tells apart, one answer of ssh is the answer for all."""

from __future__ import annotations

from pathlib import Path

import pytest

from glmprov.inventory import Host
from glmprov.remote import ConnectOptions
from glmprov.remote.alike import alike
from glmprov.remote.config import parse
from glmprov.remote.resolve import _answer, resolve

SAME = [
    "",
    "Host *\n  User ops\n",
    "Host rack-*\n  User ops\n",
    "Host !gpu-9 *\n User ops\n",
    "Match all\n  User ops\n",
]
DIFFERENT = [
    "Host gpu-*\n  User ops\n",
    "Host = gpu-1 other\n  Port 23\n",
    'Host "gpu-1"\n  Port 23\n',
    "Host !gpu-1 *\n  Port 23\n",
    "Match host gpu-1\n  Port 23\n",
    "Match exec true\n  Port 23\n",
    "CanonicalizeHostname yes\n",
    "Include ~/.ssh/%d/more\n",
    "Host *.invalid\n  Port 23\n",
]


@pytest.mark.parametrize("text", [*SAME, *DIFFERENT])
def test_which_configurations_tell_hosts_apart(tmp_path: Path, text: str) -> None:
    (tmp_path / "config").write_text(text)
    assert alike("gpu-1", ("-F", str(tmp_path / "config"))) is (text in SAME)


@pytest.mark.parametrize("text", [*SAME, *DIFFERENT[:-2]])
@pytest.mark.parametrize("name", ["gpu-1", "gpu-9", "rack-1", "10.0.0.1", "GPU-1"])
def test_what_is_resolved_is_what_ssh_says_of_the_host(tmp_path: Path, text: str, name: str) -> None:
    (tmp_path / "config").write_text(f"{text}\nHost *\n  HostName %h\n  UserKnownHostsFile {tmp_path}/%h\n")
    told = ("-F", str(tmp_path / "config"))
    host = Host(name, {"ansible_ssh_common_args": " ".join(told), "ansible_port": 2222})
    assert resolve(host, ConnectOptions()) == parse(
        _answer(name, name, ("-o", "Port=2222"), told), name, ("-o", "Port=2222"), told
    )


def test_included_files_count(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(f"Include {tmp_path}/more/*.conf\n")
    told = ("-F", str(tmp_path / "config"))
    assert alike("gpu-1", told)
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.conf").write_text("Host gpu-1\n  Port 23\n")
    (tmp_path / "config").write_text(f"Include {tmp_path}/more/*.conf\n# written again\n")
    assert not alike("gpu-1", told)
    assert alike("gpu-2", told)


@pytest.mark.parametrize("name", ["ops@gpu-1", "ssh://gpu-1", "::1", "GPU-1", "-gpu", ""])
def test_names_that_ssh_takes_apart_are_asked_for(name: str) -> None:
    assert not alike(name, ("-F", "none"))
