"""Programs over a real sshd: streams, time limits, keys, jump hosts, and links that break."""

from __future__ import annotations

import contextlib
import getpass
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgekit.errors import EdgekitError, TrustError, Unreachable
from edgekit.executor import Stream
from edgekit.executor.address import SshAddress
from edgekit.executor.capture import MAX_OUTPUT_BYTES
from edgekit.executor.ssh import SshExecutor
from edgekit.executor.ssh_files import SshFiles
from edgekit.executor.ssh_login import Pulse
from tests.fakes.sshd import PROGRAM, Sshd, running_sshd

pytestmark = [pytest.mark.integration, pytest.mark.skipif(PROGRAM is None, reason="no sshd on this machine")]


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    with running_sshd(tmp_path) as server:
        yield server


@pytest.fixture
def device(sshd: Sshd) -> Iterator[SshExecutor]:
    executor = sshd.executor()
    yield executor
    executor.close()


def test_a_program_gets_its_words_as_they_are(device: SshExecutor) -> None:
    words = ["a b", "$HOME", "'", "*", "", "ü\n"]
    done = device.run(["printf", "%s|", *words], timeout_s=60)
    assert done.stdout.decode() == "".join(word + "|" for word in words)
    assert (done.returncode, done.stderr) == (0, b"")


def test_exit_codes_streams_environment_and_folder(device: SshExecutor, tmp_path: Path) -> None:
    script = "cat; pwd; echo $WORD >&2; exit 3"
    folder = tmp_path / "a b"
    folder.mkdir()
    done = device.run(["sh", "-c", script], timeout_s=60, stdin=b"in\n", env={"WORD": "x y"}, cwd=str(folder))
    assert (done.returncode, done.stdout.decode(), done.stderr) == (3, f"in\n{folder}\n", b"x y\n")
    assert device.run(["/nowhere"], timeout_s=60).returncode in (126, 127)


def test_more_than_any_window_holds_both_ways(device: SshExecutor) -> None:
    data = bytes(range(256)) * (1 << 16)
    assert device.run(["cat"], timeout_s=60, stdin=data).stdout == data
    noisy = device.run(["sh", "-c", "head -c 9000000 /dev/zero >&2; echo end"], timeout_s=60)
    assert (len(noisy.stderr), noisy.stdout) == (9_000_000, b"end\n")
    assert device.run(["true"], timeout_s=60, stdin=data).returncode == 0


def test_a_program_that_takes_too_long_is_left_and_the_connection_lives(device: SshExecutor) -> None:
    device.run(["true"], timeout_s=60)
    began = time.monotonic()
    with pytest.raises(Unreachable, match=r"sleep on .* did not end within 0.5 s"):
        device.run(["sleep", "300"], timeout_s=0.5)
    assert time.monotonic() - began < 200
    assert device.run(["echo", "on"], timeout_s=60).text == "on"


def test_a_daemon_that_a_program_leaves_behind_is_not_waited_for(device: SshExecutor) -> None:
    began = time.monotonic()
    done = device.run(["sh", "-c", "echo why >&2; setsid sleep 200 & echo started; exit 3"], timeout_s=90)
    assert (done.returncode, done.text, done.errors) == (3, "started", "why")
    assert time.monotonic() - began < 100
    assert device.run(["echo", "on"], timeout_s=60).text == "on"


def test_a_device_that_never_stops_printing_ends_at_its_time(device: SshExecutor) -> None:
    began = time.monotonic()
    with pytest.raises(Unreachable, match=r"did not end within 1 s"):
        device.run(["yes"], timeout_s=1)
    assert time.monotonic() - began < 100


def test_what_a_device_writes_is_bounded(device: SshExecutor) -> None:
    done = device.run(["sh", "-c", "echo first; head -c 30000000 /dev/zero; echo last"], timeout_s=60)
    assert done.stdout.startswith(b"first\n\0") and done.stdout.endswith(b"\0last\n")
    assert b"bytes left out" in done.stdout and len(done.stdout) < MAX_OUTPUT_BYTES + 100


def test_a_stream_both_ways(device: SshExecutor) -> None:
    stream = device.open(["sh", "-c", "echo oops >&2; exec cat"])
    stream.settimeout(10)
    stream.write(b"one\ntwo\n" + b"x" * 500_000)
    assert (stream.readline(100), stream.readline(2), stream.read(2)) == (b"one\n", b"tw", b"o\n")
    assert stream.read(500_000) == b"x" * 500_000
    assert stream.errors() == "oops"
    stream.settimeout(0.2)
    with pytest.raises(Unreachable, match="no answer in time"):
        stream.readline(10)
    stream.close()
    stream.close()


def test_a_device_that_drips_does_not_hold_a_read(device: SshExecutor) -> None:
    stream = device.open(["sh", "-c", "while printf x; do sleep 0.05; done"])
    stream.settimeout(10)
    assert stream.read(3) == b"xxx"
    stream.settimeout(0.5)
    with pytest.raises(Unreachable, match="no answer in time"):
        stream.readline(1 << 20)
    with pytest.raises(Unreachable, match="no answer in time"):
        stream.read(1 << 20)
    stream.close()


def test_a_device_that_never_stops_complaining_does_not_hold_who_asks_why(device: SshExecutor) -> None:
    stream = device.open(["sh", "-c", "echo begun; exec yes >&2"])
    stream.settimeout(30)
    assert stream.readline(100) == b"begun\n"
    assert len(stream.errors()) < 4 << 20
    stream.close()


def test_a_stream_whose_program_ends(device: SshExecutor) -> None:
    stream = device.open(["sh", "-c", "echo last; echo why >&2"])
    stream.settimeout(10)
    assert (stream.readline(100), stream.readline(100), stream.errors()) == (b"last\n", b"", "why")
    with pytest.raises(Unreachable):
        stream.write(b"x" * (8 << 20))


def test_many_channels_at_once(device: SshExecutor) -> None:
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda n=n: found.append(device.run(["echo", str(n)], timeout_s=60).text))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list("01234567")


def test_a_changed_host_key_is_refused_with_the_cure_that_works(sshd: Sshd) -> None:
    sshd.change_host_key()
    with pytest.raises(TrustError, match="has changed") as caught:
        sshd.executor().run(["true"], timeout_s=60)
    assert caught.value.hint.endswith(f"ssh-keygen -R '[127.0.0.1]:{sshd.port}' -f {sshd.known_hosts}")


def test_an_unknown_host_key_is_refused_and_not_written_down(sshd: Sshd) -> None:
    sshd.known_hosts.write_text("")
    with pytest.raises(TrustError, match="is not known"):
        sshd.executor().run(["true"], timeout_s=60)
    assert sshd.known_hosts.read_text() == ""


def test_a_host_key_alias(sshd: Sshd) -> None:
    sshd.known_hosts.write_text(sshd.known_hosts.read_text().replace(f"[127.0.0.1]:{sshd.port}", "board"))
    assert sshd.executor(host_key_alias="board").run(["echo", "in"], timeout_s=60).text == "in"


def test_a_wrong_key_is_told_with_what_was_tried(sshd: Sshd, tmp_path: Path) -> None:
    (tmp_path / "authorized_keys").write_text("")
    with pytest.raises(Unreachable, match="does not let") as caught:
        sshd.executor().run(["true"], timeout_s=60)
    assert str(sshd.identity) in caught.value.hint


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
def test_nobody_there(host: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    executor = SshExecutor(SshAddress(host=host, port=1), SshFiles(user="ann", home=tmp_path))
    with pytest.raises(Unreachable, match=f"ann@{host}:1 does not answer"):
        executor.run(["true"], timeout_s=60)
    assert capfd.readouterr().err == ""


def test_something_else_than_ssh_there(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_answer_http, args=(server,), daemon=True).start()
        address = SshAddress(host="127.0.0.1", port=server.getsockname()[1])
        with pytest.raises(Unreachable, match="does not answer"):
            SshExecutor(address, SshFiles(user="ann", home=tmp_path)).run(["true"], timeout_s=60)
    assert capfd.readouterr().err == ""


def test_a_server_that_dies_is_noticed_and_found_again(sshd: Sshd, device: SshExecutor) -> None:
    stream = device.open(["cat"])
    stream.settimeout(20)
    threading.Timer(0.3, sshd.stop).start()
    with pytest.raises(Unreachable, match="broke"):
        stream.readline(100)
    with pytest.raises(Unreachable, match="does not answer"):
        device.run(["true"], timeout_s=60)
    sshd.start()
    assert device.run(["echo", "again"], timeout_s=60).text == "again"


def test_a_link_that_falls_silent_is_noticed(sshd: Sshd) -> None:
    device = sshd.executor(pulse=Pulse(every_s=0.1, silence_s=0.7))
    stream = device.open(["cat"])
    stream.settimeout(None)
    time.sleep(1.2)
    stream.write(b"alive\n")
    assert stream.readline(100) == b"alive\n"
    with sshd.silent(), pytest.raises(Unreachable, match="broke"):
        stream.readline(100)
    assert device.run(["echo", "again"], timeout_s=60).text == "again"
    device.close()


def test_the_users_ssh_config_with_a_jump_host(sshd: Sshd) -> None:
    here = f"HostName 127.0.0.1\n Port {sshd.port}\n User {getpass.getuser()}\n IdentityFile {sshd.identity}\n"
    known = f" UserKnownHostsFile {sshd.known_hosts}\n"
    config = f"Host hop hop2\n {here}{known}Host board\n {here}{known} ProxyJump hop,hop2\n"
    (sshd.home / ".ssh/config").write_text(config)
    executor = SshExecutor(SshAddress(host="board"), SshFiles(user="nobody", home=sshd.home))
    assert executor.run(["echo", "through"], timeout_s=60).text == "through"
    executor.close()


@pytest.mark.parametrize("way", ["ProxyCommand /nowhere/nc %h %p", "ProxyJump 127.0.0.1:1"])
def test_a_way_that_does_not_lead_there(way: str, sshd: Sshd) -> None:
    (sshd.home / ".ssh/config").write_text(f"Host *\n {way}\n")
    with pytest.raises(EdgekitError) as caught:
        sshd.executor().run(["true"], timeout_s=60)
    assert caught.value.exit_code == 7


def _answer_http(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")


def test_a_socket_is_reached_without_a_program_where_sshd_forwards(sshd: Sshd, tmp_path: Path) -> None:
    path = f"/tmp/ek-{tmp_path.name}.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        try:
            listener.bind(path)
            listener.listen()
            with contextlib.closing(sshd.executor()) as device:
                stream = device.open_socket(path)
                assert stream is not None
                server, _ = listener.accept()
                stream.write(b"ping\n")
                assert server.recv(10) == b"ping\n"
                server.sendall(b"pong\n")
                assert stream.readline(10) == b"pong\n"
                server.close()
                assert stream.read(1) == b""
                assert device.open_socket(f"{path}.none") is None, "nobody listens"
                assert device.run(["true"], timeout_s=60).returncode == 0, "the connection lives on"
            sshd.configure("AllowStreamLocalForwarding no")
            with contextlib.closing(sshd.executor()) as device:
                assert device.open_socket(path) is None
        finally:
            Path(path).unlink()


@contextlib.contextmanager
def socket_over(sshd: Sshd, tmp_path: Path) -> Iterator[tuple[Stream, socket.socket]]:
    """Both ends of a connection to a Unix socket over there."""
    path = f"/tmp/ek-{tmp_path.name}.sock"
    with socket.socket(socket.AF_UNIX) as listener, contextlib.closing(sshd.executor()) as device:
        try:
            listener.bind(path)
            listener.listen()
            stream = device.open_socket(path)
            assert stream is not None
            server, _ = listener.accept()
        finally:
            Path(path).unlink()
        with server:
            yield stream, server


def test_a_socket_that_nobody_reads_is_sent_less_than_its_server_would_keep(sshd: Sshd, tmp_path: Path) -> None:
    sent = bytearray()
    with socket_over(sshd, tmp_path) as (stream, server):
        kept = server.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) + server.getsockopt(
            socket.SOL_SOCKET, socket.SO_SNDBUF
        )
        stream.settimeout(3)
        with pytest.raises(Unreachable):  # it takes no more
            while len(sent) < 8 << 20:
                piece = bytes([len(sent) >> 10 & 255]) * 1024
                stream.write(piece)
                sent += piece
        assert len(sent) < kept + (1 << 20), "OpenSSH itself keeps 2 MiB"


def test_a_socket_takes_more_than_is_on_its_way_at_once(sshd: Sshd, tmp_path: Path) -> None:
    data, come = bytes(range(256)) * (1 << 15), bytearray()
    with socket_over(sshd, tmp_path) as (stream, server):

        def read() -> None:
            while len(come) < len(data):
                time.sleep(0.001)  # slower than what comes
                come.extend(server.recv(1 << 16))

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        stream.settimeout(60)
        stream.write(data)
        reader.join(60)
    assert bytes(come) == data


@pytest.mark.parametrize(
    "line",
    ["Ciphers aes128-cbc", "MACs hmac-sha1\nCiphers aes128-ctr", "KexAlgorithms diffie-hellman-group14-sha1"],
    ids=["cipher", "digest", "exchange"],
)
def test_a_server_of_weak_algorithms_alone_is_refused_with_a_sentence(sshd: Sshd, line: str) -> None:
    sshd.configure(line)
    with contextlib.closing(sshd.executor()) as device, pytest.raises(Unreachable, match="no algorithm") as caught:
        device.run(["true"], timeout_s=60)
    assert "update its SSH server" in caught.value.hint
