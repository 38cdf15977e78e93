"""What every channel must do, over real SSH servers and on this machine."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from glmprov.errors import InventoryError, UnreachableError
from glmprov.inventory import Host
from glmprov.remote import Channel, ConnectOptions, connect, conversation
from glmprov.remote.for_ansible import connection_variables
from tests.unit.remote.conftest import as_root
from tests.unit.remote.sshd import PASSWORD, Sshd, start


@pytest.fixture(params=["openssh", "libssh2", "paramiko", "local"])
def channel(request: pytest.FixtureRequest) -> Iterator[Channel]:
    if request.param == "local":
        host = Host("here", {"ansible_connection": "local"})
    else:
        host = request.getfixturevalue("server").host(request.param)
    with connect(host) as open_channel:
        yield open_channel


@pytest.mark.parametrize(
    "word", ["plain", "two words", "it's", 'a "b"', "line\nbreak", "$HOME `id` \\", "", "*", "ä€", "!x"]
)
def test_arguments_arrive_as_they_are(channel: Channel, word: str) -> None:
    assert channel.run(["printf", "%s|", word, "end"]).stdout == f"{word}|end|".encode()


def test_a_megabyte_in_and_out(channel: Channel) -> None:
    data = os.urandom(1 << 20)
    assert (
        channel.run(["sha256sum"], stdin=data).stdout.split()[0].decode() == hashlib.sha256(data).hexdigest()
    )
    assert channel.run(["cat"], stdin=data).stdout == data


@pytest.mark.parametrize("status", [0, 1, 3, 124, 126, 127, 255])
def test_exit_status_and_both_outputs(channel: Channel, status: int) -> None:
    completed = channel.run(["sh", "-c", f"printf out; printf err >&2; exit {status}"])
    assert (completed.returncode, completed.stdout, completed.stderr) == (status, b"out", b"err")
    assert not completed.truncated


def test_lines_are_handed_on_while_the_command_runs(channel: Channel, tmp_path: Path) -> None:
    pipe = tmp_path / "go"
    os.mkfifo(pipe)
    heard: list[bytes] = []

    def on_line(line: bytes) -> None:
        heard.append(line)
        if line == b"first":
            pipe.write_text("go\n")  # without the first line, the second never comes

    completed = channel.run(
        ["sh", "-c", f"echo first; cat {pipe}; printf 'no end'; exit 3"], on_line=on_line, deadline_seconds=20
    )
    assert heard == [b"first", b"go", b"no end"]
    assert (completed.returncode, completed.stdout) == (3, b"")


def test_a_host_that_falls_silent_is_lost_long_before_the_deadline(
    channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "SILENCE_SECONDS", 1.0)
    begun = time.monotonic()
    with pytest.raises(UnreachableError, match="nothing was heard of sh for 1 s"):
        channel.run(["sh", "-c", "echo a; sleep 20"], on_line=lambda line: None, deadline_seconds=3600)
    assert time.monotonic() - begun < 10


def test_a_listener_that_has_heard_enough_ends_the_command(channel: Channel, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"

    def on_line(line: bytes) -> None:
        raise ValueError(line)

    with pytest.raises(ValueError, match="a"):
        channel.run(
            ["sh", "-c", f"echo $$ > {pid_file}; while echo a; do sleep 0.1; done"],
            on_line=on_line,
            deadline_seconds=30,
        )
    _wait_until_gone(int(pid_file.read_text()))
    assert channel.run(["echo", "on"]).stdout == b"on\n"


def test_input_that_nobody_reads(channel: Channel) -> None:
    assert channel.run(["true"], stdin=b"x" * (4 << 20)).returncode == 0


def test_no_input_is_the_end_of_input(channel: Channel) -> None:
    assert channel.run(["cat"]).stdout == b""


def test_a_command_that_is_not_there(channel: Channel) -> None:
    assert channel.run(["/no/such/program"]).returncode == 127


def test_the_deadline_kills_on_the_host(channel: Channel, tmp_path: Path) -> None:
    pid_file = tmp_path / "pids"
    begun = time.monotonic()
    with pytest.raises(UnreachableError, match="didn't end within 1 s"):
        # A child of the command must go too, and one that ignores SIGTERM.
        channel.run(
            ["sh", "-c", f"sleep 300 & echo $! > {pid_file}; echo $$ >> {pid_file}; wait"], deadline_seconds=1
        )
    assert time.monotonic() - begun < 6
    for pid in map(int, pid_file.read_text().split()):
        _wait_until_gone(pid)


def test_a_command_that_ignores_the_first_signal(channel: Channel, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    with pytest.raises(UnreachableError, match="killed on the host"):
        channel.run(
            ["sh", "-c", f"trap '' TERM; echo $$ > {pid_file}; while :; do sleep 1; done"],
            deadline_seconds=0.5,
        )
    _wait_until_gone(int(pid_file.read_text()))


def test_a_flood_is_cut(channel: Channel) -> None:
    begun = time.monotonic()
    completed = channel.run(
        ["sh", "-c", "yes flood & yes flood >&2"], max_output_bytes=100_000, deadline_seconds=60
    )
    assert completed.truncated
    assert len(completed.stdout) <= 100_000 and len(completed.stderr) <= 100_000
    assert time.monotonic() - begun < 20


def test_a_little_too_much_is_cut_and_ends_by_itself(channel: Channel) -> None:
    completed = channel.run(["sh", "-c", "printf 123456; exit 5"], max_output_bytes=4)
    assert (completed.stdout, completed.truncated, completed.returncode) == (b"1234", True, 5)


def test_output_that_looks_like_ours(channel: Channel) -> None:
    completed = channel.run(
        ["sh", "-c", "printf '\\nffff:ended 3\\n' >&2; printf '%s:ready\\n' ffff; exit 4"]
    )
    assert completed.returncode == 4
    assert completed.stderr == b"\nffff:ended 3\n"


@as_root
def test_a_profile_that_prints(server: Sshd, over: str) -> None:
    with connect(server.host(over, ansible_user="noisy")) as channel:
        completed = channel.run(["sh", "-c", "printf out; printf err >&2; exit 2"], stdin=b"in")
    assert (completed.returncode, completed.stdout, completed.stderr) == (2, b"out", b"err")


@as_root
def test_an_account_without_a_shell(server: Sshd, over: str) -> None:
    with (
        connect(server.host(over, ansible_user="noshell")) as channel,
        pytest.raises(UnreachableError, match="not available") as caught,
    ):
        channel.run(["true"])
    assert caught.value.next_step


@as_root
@pytest.mark.parametrize("over", ["openssh", "paramiko", "auto"])
def test_a_login_by_password(server: Sshd, over: str, tmp_path: Path) -> None:
    host = server.host(
        over, ansible_user="opspw", ansible_password=PASSWORD, ansible_ssh_private_key_file=None
    )
    with connect(host) as channel:
        assert channel.run(["id", "-un"]).stdout == b"opspw\n"


@as_root
@pytest.mark.parametrize("over", ["openssh", "paramiko", "auto"])
def test_a_wrong_login_password(server: Sshd, over: str) -> None:
    host = server.host(
        over, ansible_user="nosudo", ansible_password="wrong", ansible_ssh_private_key_file=None
    )
    with pytest.raises(UnreachableError, match="refused") as caught:
        connect(host)
    assert "wrong" not in str(caught.value)


def test_libssh2_leaves_passwords_to_paramiko(server: Sshd) -> None:
    with pytest.raises(InventoryError, match="libssh2 can't reach it: there is a password") as caught:
        connect(server.host("libssh2", ansible_password=PASSWORD))
    assert caught.value.next_step


def _channel_of(host: Host) -> str:
    with connect(host) as channel:
        assert channel.run(["printf", "here"]).stdout == b"here"
        return type(channel).__name__


@pytest.mark.parametrize("kind", [["ed25519"], ["rsa", "-b", "2048"], ["ecdsa"], ["rsa", "-m", "PEM"]])
def test_each_kind_of_key_file_logs_in_by_libssh2(own_server: Sshd, tmp_path: Path, kind: list[str]) -> None:
    own_server.trust()
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-N", "", "-f", key, "-t", *kind], check=True)
    with (own_server.folder / "authorized_keys").open("a") as accepted:
        accepted.write(key.with_suffix(".pub").read_text())
    host = own_server.host("auto", ansible_ssh_private_key_file=str(key))
    assert _channel_of(host) == "Libssh2Channel"


def test_what_is_freed_late_says_nothing_on_the_next_connection(server: Sshd) -> None:
    with connect(server.host("libssh2")) as first:
        session = vars(first)["_session"]
        session.set_blocking(True)
        late = session.open_session()  # libssh2 says goodbye to it when it is freed
    del first, session
    with connect(server.host("paramiko")) as second:
        del late
        gc.collect()
        assert second.run(["printf", "here"]).stdout == b"here"


def test_a_key_in_the_agent_logs_in_by_paramiko(
    own_server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_server.trust()
    locked = tmp_path / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", locked], check=True)
    with (own_server.folder / "authorized_keys").open("a") as accepted:
        accepted.write(locked.with_suffix(".pub").read_text())
    address = tmp_path / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", address], stdout=subprocess.DEVNULL) as agent:
        try:
            monkeypatch.setenv("SSH_AUTH_SOCK", str(address))
            _wait_for(address)
            subprocess.run(["ssh-add", "-q", locked], check=True)
            subprocess.run(["ssh-keygen", "-q", "-p", "-N", "secret words", "-f", locked], check=True)
            host = own_server.host("auto", ansible_ssh_private_key_file=str(locked))
            assert _channel_of(host) == "ParamikoChannel"
        finally:
            agent.terminate()


@pytest.mark.parametrize("over", ["openssh", "paramiko"])
def test_a_server_that_tires_of_an_agents_keys(
    server: Sshd, over: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [tmp_path / f"key-{number}" for number in range(7)]
    for key in keys:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    address = tmp_path / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", address], stdout=subprocess.DEVNULL) as agent:
        try:
            monkeypatch.setenv("SSH_AUTH_SOCK", str(address))
            _wait_for(address)
            subprocess.run(["ssh-add", "-q", *keys], check=True)
            with pytest.raises(UnreachableError, match="is refused") as caught:
                connect(
                    server.host(
                        over, ansible_ssh_private_key_file=None, ansible_ssh_extra_args="-o IdentitiesOnly=no"
                    )
                )
        finally:
            agent.terminate()
    assert "IdentitiesOnly" in (caught.value.next_step or "")


def test_a_host_with_only_new_key_exchanges_is_reached_by_another_way(open_folder: Path) -> None:
    folder = Path(tempfile.mkdtemp(dir=open_folder))
    folder.chmod(0o755)
    extra = "KexAlgorithms sntrup761x25519-sha512@openssh.com\n"
    newest = start(folder / "s", "127.31.7.3", extra=extra)
    try:
        newest.trust()
        with pytest.raises(InventoryError, match="no algorithm that libssh2 knows"):
            connect(newest.host("libssh2"))
        assert _channel_of(newest.host("auto")) == "OpenSshChannel"
    finally:
        newest.stop()


def test_a_refused_key(server: Sshd, over: str, tmp_path: Path, own_server: Sshd) -> None:
    with pytest.raises(UnreachableError, match="refused") as caught:
        connect(server.host(over, ansible_ssh_private_key_file=str(own_server.key)))
    assert caught.value.host == "gpu-1" and caught.value.next_step


def test_nobody_listens(own_server: Sshd, over: str) -> None:
    own_server.trust()
    own_server.stop()
    with pytest.raises(UnreachableError, match="refuses connections") as caught:
        connect(own_server.host(over))
    assert caught.value.next_step


def test_who_takes_the_connection_and_says_nothing(server: Sshd) -> None:
    with socket.create_server(("127.31.7.4", 0)) as mute:
        host = server.host("libssh2", ansible_host="127.31.7.4", ansible_port=mute.getsockname()[1])
        with pytest.raises(UnreachableError, match="says nothing for") as caught:
            connect(host, ConnectOptions(connect_seconds=0.3))
    assert caught.value.next_step


def test_who_speaks_no_ssh(server: Sshd, over: str) -> None:
    def greet(listener: socket.socket) -> None:
        with listener.accept()[0] as connection:
            connection.sendall(b"220 mail.example ESMTP\r\n")

    with socket.create_server(("127.31.7.4", 0)) as other:
        threading.Thread(target=greet, args=(other,), daemon=True).start()
        host = server.host(over, ansible_host="127.31.7.4", ansible_port=other.getsockname()[1])
        with pytest.raises(UnreachableError) as caught:
            connect(host)
    assert caught.value.host == "gpu-1" and caught.value.next_step


@pytest.mark.parametrize("name", ["no-such-host.invalid", "two..dots", f"{'x' * 64}.invalid"])
def test_a_name_that_is_none(server: Sshd, over: str, name: str) -> None:
    with pytest.raises(UnreachableError, match="can't be resolved"):
        connect(server.host(over, ansible_host=name))


@pytest.mark.parametrize("name", ["-v", "a b", "{{ x }}", "a\0b", "\ufeffgpu-1"])
def test_a_word_that_can_be_no_name(server: Sshd, over: str, name: str) -> None:
    with pytest.raises(InventoryError, match="is not a host name"):
        connect(server.host(over, ansible_host=name))


def test_a_host_that_is_lost_on_the_way(own_server: Sshd, over: str, tmp_path: Path) -> None:
    own_server.trust()
    started = tmp_path / "started"

    def cut_when_it_runs() -> None:
        while not started.exists():
            time.sleep(0.02)
        own_server.stop()

    with connect(own_server.host(over)) as channel:
        cut = threading.Thread(target=cut_when_it_runs)
        cut.start()
        with pytest.raises(UnreachableError, match="lost") as caught:
            channel.run(["sh", "-c", f"touch {started}; exec sleep 30"], deadline_seconds=20)
        cut.join()
    assert caught.value.host == "gpu-1"


def test_all_commands_share_one_connection(own_server: Sshd, over: str) -> None:
    own_server.trust()
    with connect(own_server.host(over)) as channel:
        for _ in range(3):
            channel.run(["true"])
    assert own_server.log.read_text().count("Accepted") == 1


def test_ansible_shares_the_master(own_server: Sshd) -> None:
    own_server.trust()
    host = own_server.host("openssh")
    with connect(host) as channel:
        channel.run(["true"])
    variables = connection_variables(host, ConnectOptions())
    pinged = subprocess.run(
        [sys.executable, "-m", "ansible", "adhoc", "-i", "gpu-1,", "gpu-1", "-m", "ansible.builtin.raw", "-a", "id -u",
         "-e", json.dumps(variables)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert pinged.returncode == 0, pinged.stdout + pinged.stderr
    assert own_server.log.read_text().count("Accepted") == 1


def _wait_for(path: Path, seconds: float = 10) -> None:
    give_up_at = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < give_up_at, f"{path} never came"
        time.sleep(0.02)


def _wait_until_gone(pid: int, seconds: float = 10) -> None:
    give_up_at = time.monotonic() + seconds
    while time.monotonic() < give_up_at:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":
            return
        time.sleep(0.02)
    raise AssertionError(f"{pid} still runs")
