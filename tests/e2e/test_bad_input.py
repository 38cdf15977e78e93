"""What people, disks and package servers do to a host: a clear message, the right exit code, nothing half-done.

The tests share one node, provisioned once. Each breaks something, holds a run to what it says, mends it, and lets a
second run come through.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from glmprov_program import Ran, keys, run
from rehearsal import LAB, ROOT, Fleet, Node, running_fleet

pytestmark = pytest.mark.fleet

NAME = "genoa-4x"
ENV, RECEIPT = "/etc/glmprov/nccl.env", "/var/lib/glmprov/receipt.json"
DRIFTED = "nccl_env.env[NCCL_P2P_LEVEL]"
EDIT = f"sed -i s/PHB/SYS/ {ENV}"
REMOVE_TOOLKIT = (
    "apt-get -qq purge -y nvidia-container-toolkit >/dev/null 2>&1; rm -f /var/cache/apt/archives/*.deb"
)
FORGET_LISTS = "rm -f /var/lib/apt/lists/*packages.glmprov.lab*"
HOLD_LOCK = """\
import fcntl, time
held = [open(f"/var/lib/dpkg/{name}", "w") for name in ("lock-frontend", "lock")]
for file in held:
    fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(600)
"""
# apt as our modules call it, on the node itself, less patient than they are.
APT_THAT_WAITS_A_SECOND = """\
import subprocess, sys
sys.path.insert(0, "/tmp")
import glmprov_apt

class Module:
    def run_command(self, command, **how):
        done = subprocess.run(command, capture_output=True, text=True, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
        return done.returncode, done.stdout, done.stderr

try:
    glmprov_apt.Apt(Module(), lock_seconds=1).install("nvidia-container-toolkit")
except glmprov_apt.AptError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def alone(_root: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with running_fleet(tmp_path_factory.mktemp("bad-input"), "genoa-4x-workstation") as up:
        run(up, "provision", "--yes", "--reboot").expect(0)
        yield up


@pytest.fixture
def node(alone: Fleet) -> Node:
    return alone.nodes[NAME]


def provision(fleet: Fleet, *arguments: str) -> Ran:
    return run(fleet, "provision", "--yes", *arguments)


def failed(ran: Ran, *words: str) -> None:
    """Hold a run to exit code 1 and to what a person reads, which the terminal's width may break anywhere."""
    ran.expect(1)
    said = re.sub(r"\s+", " ", ran.out + ran.err)
    for word in words:
        assert word in said, f"{word!r} isn't in\n{ran.out}\n{ran.err}"


def mended(fleet: Fleet) -> None:
    """Hold the run after the repair to success."""
    provision(fleet).expect(0)


def test_line_ends_of_another_system_are_drift_and_are_mended(alone: Fleet, node: Node) -> None:
    node.ssh(f"sed -i 's/$/\\r/' {ENV}")
    assert keys(run(alone, "audit", "--json").expect(3).host(NAME)) == {f"nccl_env.files[{ENV}]"}
    mended(alone)
    assert "\\r" not in node.ssh(f"od -c {ENV}")


def test_a_link_in_place_of_our_file_is_neither_followed_nor_replaced(alone: Fleet, node: Node) -> None:
    node.ssh(f"sed s/PHB/SYS/ {ENV} > /root/theirs; ln -sf /root/theirs {ENV}")
    failed(provision(alone), ENV, "it is a link", "remove the link")
    assert node.ssh(f"readlink {ENV}; tail -1 /root/theirs").split() == ["/root/theirs", "NCCL_P2P_LEVEL=SYS"]
    node.ssh(f"rm {ENV}")
    mended(alone)


def test_a_link_to_the_right_values_is_said_as_long_as_it_is_there(alone: Fleet, node: Node) -> None:
    node.ssh(f"mv {ENV} /root/theirs; ln -s /root/theirs {ENV}")
    for command in (["audit"], ["provision", "--yes"], ["audit"]):
        ran = run(alone, *command).expect(4)
        assert "is a link" in ran.out
    node.ssh(f"mv /root/theirs {ENV}")
    run(alone, "audit").expect(0)


def test_a_file_that_must_not_change_says_who_forbids_it(alone: Fleet, node: Node) -> None:
    node.ssh(f"{EDIT}; chattr +i {ENV}")
    try:
        failed(provision(alone), ENV, "not even root may change it", f"chattr -i {ENV}")
        assert keys(run(alone, "audit", "--json").expect(3).host(NAME)) == {DRIFTED}
    finally:
        node.ssh(f"chattr -i {ENV}")
    mended(alone)


@contextmanager
def full(node: Node, folder: str) -> Iterator[None]:
    """Mount a copy of a folder that has no room left over it."""
    node.ssh(
        f"rm -rf /root/copy; cp -a {folder} /root/copy; mount -t tmpfs -o size=96k tmpfs {folder}; "
        f"cp -a /root/copy/. {folder}; dd if=/dev/zero of={folder}/fill bs=1k 2>/dev/null || true"
    )
    try:
        yield
    finally:
        node.ssh(f"umount {folder}")


def test_a_full_disk_under_our_settings_leaves_the_old_ones(alone: Fleet, node: Node) -> None:
    node.ssh(EDIT)
    with full(node, "/etc/glmprov"):
        failed(provision(alone), ENV, "no space left", "make room on the file system of /etc/glmprov")
        look = f"tail -1 {ENV}; ls -A /etc/glmprov | grep -c '^\\.' || true"
        assert node.ssh(look).split() == ["NCCL_P2P_LEVEL=SYS", "0"]
    mended(alone)


def test_a_host_that_can_not_keep_its_journal_is_not_changed(alone: Fleet, node: Node) -> None:
    node.ssh(EDIT)
    with full(node, "/var/lib/glmprov"):
        ran = provision(alone)
        failed(ran, "No space left on device", "make room on the file system of /var/lib/glmprov")
        look = f"tail -1 {ENV}; ls /var/lib/glmprov | grep -c new || true"
        assert node.ssh(look).split() == ["NCCL_P2P_LEVEL=SYS", "0"]
    mended(alone)


def test_no_room_for_packages_is_apts_to_say(alone: Fleet, node: Node) -> None:
    node.ssh(REMOVE_TOOLKIT)
    with full(node, "/var/cache/apt/archives"):
        failed(provision(alone), "nvidia-container-toolkit", "No space left on device")
    mended(alone)


def test_a_package_whose_file_is_gone_is_named(alone: Fleet, node: Node) -> None:
    node.ssh(REMOVE_TOOLKIT)
    alone.fault(NAME, "lost-package", "nvidia-container-toolkit", "on")
    failed(provision(alone), "nvidia-container-toolkit", "Failed to fetch")
    alone.fault(NAME, "lost-package", "nvidia-container-toolkit", "off")
    mended(alone)


def test_a_package_that_no_source_lists_is_named(alone: Fleet, node: Node) -> None:
    node.ssh(f"{REMOVE_TOOLKIT}; {FORGET_LISTS}")
    alone.fault(NAME, "withdrawn-package", "nvidia-container-toolkit", "on")
    failed(provision(alone), "nvidia-container-toolkit: no package source offers it")
    alone.fault(NAME, "withdrawn-package", "nvidia-container-toolkit", "off")
    mended(alone)


@pytest.mark.parametrize("lists", ["known", "unknown"])
def test_a_wrong_signature_is_the_reason_that_is_given(alone: Fleet, node: Node, lists: str) -> None:
    node.ssh(f"{REMOVE_TOOLKIT}; {FORGET_LISTS}")
    if lists == "known":
        alone.fault(NAME, "withdrawn-package", "nvidia-container-toolkit", "on")
        node.ssh("apt-get -qq update")
    alone.fault(NAME, "wrong-signature", "on")
    failed(provision(alone), "GPG error: https://packages.glmprov.lab/", "NO_PUBKEY")
    assert "ii" not in node.ssh("dpkg -l nvidia-container-toolkit 2>/dev/null", check=False)
    alone.fault(NAME, "wrong-signature", "off")
    alone.fault(NAME, "withdrawn-package", "nvidia-container-toolkit", "off")
    mended(alone)


def test_a_package_that_does_not_configure_is_named_with_dpkgs_words(alone: Fleet, node: Node) -> None:
    control = (
        "Package: halfway\\nVersion: 1\\nArchitecture: all\\nMaintainer: x <x@localhost>\\nDescription: x\\n"
    )
    node.ssh(
        f"mkdir -p /tmp/halfway/DEBIAN; printf '{control}' > /tmp/halfway/DEBIAN/control; "
        "printf '#!/bin/sh\\n[ -e /run/mended ]\\n' > /tmp/halfway/DEBIAN/postinst; "
        "chmod 755 /tmp/halfway/DEBIAN/postinst; dpkg-deb --build /tmp/halfway >/dev/null"
    )
    node.ssh(REMOVE_TOOLKIT)
    node.ssh("dpkg --install /tmp/halfway.deb", check=False)
    failed(provision(alone), "dpkg: error processing package halfway (--configure)")
    node.ssh("touch /run/mended; dpkg --configure -a; dpkg --purge halfway")
    mended(alone)


def test_a_lock_of_somebody_else_is_waited_for_and_its_holder_named(alone: Fleet, node: Node) -> None:
    node.ssh(REMOVE_TOOLKIT)
    # As a run that was cut off leaves it: dpkg wants to be told to go on.
    node.ssh("touch /var/lib/dpkg/updates/0001")
    apt = (ROOT / "roles/glmprov_modules/module_utils/glmprov_apt.py").read_text()
    node.ssh(f"cat > /tmp/glmprov_apt.py <<'X'\n{apt}\nX\ncat > /tmp/holder.py <<'X'\n{HOLD_LOCK}X")
    holder = "--unit=holder --collect --property=StandardOutput=file:/run/holder"
    node.ssh(f"systemd-run --quiet {holder} python3 /tmp/holder.py")
    try:
        node.ssh("timeout 20 sh -c 'until grep -q held /run/holder; do :; done'")
        said = node.ssh(f"python3 - <<'X'\n{APT_THAT_WAITS_A_SECOND}X")
        pid = node.ssh("systemctl show -P MainPID holder")
    finally:
        node.ssh("systemd-run --quiet --collect --on-active=5s systemctl stop holder")
    assert f"lock-frontend. It is held by process {pid} (python3)" in said
    mended(alone)
    assert node.ssh("ls /var/lib/dpkg/updates") == ""


def test_a_receipt_that_is_damaged_is_said_and_written_anew(alone: Fleet, node: Node) -> None:
    node.ssh(f"sed -i '1s/{{/[/' {RECEIPT}")
    audited = run(alone, "audit", "--json").expect(4).host(NAME)
    assert keys(audited, "UNKNOWN") == {"receipt"}
    ran = provision(alone).expect(0)
    assert "damaged, or edited by hand" in re.sub(r"\s+", " ", ran.out)
    run(alone, "audit").expect(0)


def test_a_receipt_that_somebody_changed_is_not_believed(alone: Fleet, node: Node) -> None:
    # Believed, it would make the host's right value a wish that changed, and the card one that was never there.
    node.ssh(f'sed -i \'s/"PHB"/"SYS"/\' {RECEIPT}')
    ran = run(alone, "audit").expect(4)
    assert "edited by hand since glmprov wrote it" in re.sub(r"\s+", " ", ran.out)
    mended(alone)
    assert '"SYS"' not in node.ssh(f"cat {RECEIPT}")


def cards(node: Node) -> list[str]:
    return node.ssh("nvidia-smi --query-gpu=uuid --format=csv,noheader").split()


def test_a_card_that_was_swapped_is_missed_although_the_count_is_right(alone: Fleet, node: Node) -> None:
    old = cards(node)[1]
    alone.fault(NAME, "swapped-card", "1")
    new = cards(node)[1]
    assert keys(run(alone, "audit", "--json").expect(3).host(NAME)) == {f"gpu_driver.cards[{old}]"}
    ran = provision(alone, "--json").expect(1).host(NAME)
    results = {each["key"]: each["result"] for each in ran["keys"]}
    assert results[f"gpu_driver.cards[{old}]"] == "FAILED"
    assert "FIXED" in {result for key, result in results.items() if new in key}
    provision(alone, "--forget-card", old).expect(0)
    run(alone, "audit").expect(0)


def test_a_card_that_goes_between_plan_and_apply_fails_the_host(
    alone: Fleet, node: Node, tmp_path: Path
) -> None:
    gone, saved = cards(node)[2], tmp_path / "plan.json"
    node.ssh(EDIT)
    run(alone, "plan", "--out", str(saved)).expect(0)
    pull = f"{' '.join(LAB)} fault {NAME} pulled-card {gone} on"
    ran = provision(alone, "--json", "--before", pull).expect(1).host(NAME)
    results = {each["key"]: (each["result"], each["reason"]) for each in ran["keys"]}
    assert results[DRIFTED][0] == "FIXED"
    assert results[f"gpu_driver.cards[{gone}]"][0] == "FAILED"
    assert f"--forget-card {gone}" in results[f"gpu_driver.cards[{gone}]"][1]
    assert gone in json.loads(node.ssh(f"cat {RECEIPT}"))["cards"]

    node.ssh(EDIT)
    refused = run(alone, "provision", str(saved), "--yes")
    assert refused.code == 1, refused.out + refused.err
    assert gone in refused.out + refused.err
    assert node.ssh(f"tail -1 {ENV}") == "NCCL_P2P_LEVEL=SYS"

    alone.fault(NAME, "pulled-card", gone, "off")
    alone.reboot(NAME)
    mended(alone)


def test_nothing_is_left_of_all_that(alone: Fleet, node: Node) -> None:
    run(alone, "audit").expect(0)
    assert node.ssh("dpkg --audit; find /etc /var/lib/glmprov -name '.glmprov-*' -o -name '*.new'") == ""
