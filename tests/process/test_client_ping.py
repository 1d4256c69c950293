"""calc-client ping, and calc-client info."""

import re
import signal
from collections.abc import Iterator

import pytest
from support import calc_client
from support.c_server import CServer
from support.daemon import Calcd

TIMES = r"min/avg/max = ([\d.]+)/([\d.]+)/([\d.]+) ms"


@pytest.fixture(scope="module")
def calcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with Calcd(tmp_path_factory.mktemp("calcd")) as running:
        yield "{}:{}".format(*running.address)


def test_each_answer_has_a_line_and_all_of_them_a_summary(calcd: str) -> None:
    ended = calc_client.run("--server", calcd, "ping", "-c", "2")
    assert (ended.stderr, ended.returncode) == ("", 0)
    first, *answers, blank, title, counts, times = ended.stdout.splitlines()
    assert (first, blank, title) == (f"PING {calcd}", "", f"--- {calcd} ping statistics ---")
    assert counts == "2 asked, 2 answered, 0% without an answer"
    told = [
        re.fullmatch(rf"answer from {calcd}: seq={n} time=([\d.]+) ms", line)
        for n, line in enumerate(answers, 1)
    ]
    found = sorted(float(match[1]) for match in told if match)
    assert len(found) == 2
    summary = re.fullmatch(TIMES, times)
    assert summary
    assert [float(summary[1]), float(summary[3])] == found
    assert found[0] <= float(summary[2]) <= found[1]


def test_ctrl_c_ends_it_with_the_summary(calcd: str) -> None:
    with calc_client.start("--server", calcd, "ping") as client:
        assert client.stdout
        assert client.stdout.readline() == f"PING {calcd}\n".encode()
        assert b"seq=1" in client.stdout.readline()
        client.send_signal(signal.SIGINT)
        output, errors = client.communicate(timeout=calc_client.DEADLINE)
    assert (errors, client.returncode) == (b"", 0)
    assert b"1 asked, 1 answered, 0% without an answer\nmin/avg/max = " in output


def test_ctrl_c_before_any_answer_ends_it_as_it_ends_other_programs() -> None:
    with calc_client.played("ping") as (client, connection):
        calc_client.receive_line(connection)
        client.send_signal(signal.SIGINT)
        output, errors = client.communicate(timeout=calc_client.DEADLINE)
    assert (errors, client.returncode) == (b"", -signal.SIGINT)
    assert output.endswith(b"1 asked, 0 answered, 100% without an answer\n")


def test_a_server_that_is_back_is_asked_again() -> None:
    listener, address = calc_client.listen()
    with listener, calc_client.start("--server", address, "ping", "-c", "2") as client:
        for answer in (b"", b"+PONG\r\n"):
            with calc_client.accept(listener) as connection:
                assert calc_client.receive_line(connection).split() == [b"PING"]
                connection.sendall(answer)
        output, errors = client.communicate(timeout=calc_client.DEADLINE)
    assert client.returncode == 0
    assert f"calc-client: seq=1: {address} closed the connection without an answer".encode() in errors
    assert b"seq=2 time=" in output
    assert b"2 asked, 1 answered, 50% without an answer" in output


@pytest.mark.parametrize(
    ("said", "status", "told"),
    [
        (b"+OK POP3 server ready\r\n", 76, "sent 'OK POP3 server ready', which is no answer to PING"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", 76, "sent 'SSH-2.0-OpenSSH_9.2p1"),
        (b"$99999999\r\n", 76, "which is no answer of calcd's"),
        (b"$3\r\nabcde", 76, "which is no answer of calcd's"),
        (b"-ERR unknown command\r\n", 3, "the server's answer is an error: ERR unknown command"),
    ],
)
def test_what_is_no_answer_to_ping_is_none(said: bytes, status: int, told: str) -> None:
    with calc_client.played("ping", "-c", "1") as (client, connection):
        calc_client.receive_line(connection)
        connection.sendall(said)
        output, errors = client.communicate(timeout=calc_client.DEADLINE)
    assert client.returncode == status
    assert b"100% without an answer" in output
    assert told.encode() in errors
    assert errors.count(b"\n") == 1  # no warning of a connection that is left open


def test_without_a_server_its_status_says_so() -> None:
    ended = calc_client.run("--server", "127.0.0.1:1", "ping", "-c", "1")
    assert ended.returncode == 69
    assert "seq=1: cannot connect to 127.0.0.1:1" in ended.stderr
    ended = calc_client.run("--server", "127.0.0.1:1", "ping", "-c", "1", "--quiet")
    assert (ended.stderr, ended.returncode) == ("", 69)
    ended = calc_client.run("--server", "nonsense", "ping", "-c", "3")
    assert (ended.stdout, ended.returncode) == ("", 64)


@pytest.mark.parametrize("command", ["ping", "info"])
def test_what_needs_resp_says_so(command: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    ended = calc_client.run("--classic", command)
    assert ended.returncode == 64
    assert f"{command} needs RESP" in ended.stderr
    with CServer(tmp_path_factory.mktemp("c")) as older:
        ended = calc_client.run("--server", older.address, command, *(["-c1"] if command == "ping" else []))
    assert ended.returncode == 76
    assert "closed the connection without an answer" in ended.stderr


def test_info_shows_what_the_server_tells_of_itself(calcd: str) -> None:
    ended = calc_client.run("--server", calcd, "info")
    assert (ended.stderr, ended.returncode) == ("", 0)
    assert ended.stdout.startswith("# Server\n")
    assert "\n\n# Clients\n" in ended.stdout
    assert "\r" not in ended.stdout
    for words in (["info", "clients"], ["info", "CLIENTS"], ["info clients"]):
        ended = calc_client.run("--server", calcd, *words)
        assert ended.stdout.startswith("# Clients\nconnected_clients:")
        assert "# Server" not in ended.stdout


@pytest.mark.parametrize("section", ["nonsense", "n\u00f6", "\udcff"])
def test_a_section_that_there_is_not_is_told_with_those_there_are(calcd: str, section: str) -> None:
    ended = calc_client.run("--server", calcd, "info", section)
    assert (ended.stdout, ended.returncode) == ("", 3)
    assert "there are server, clients," in ended.stderr


def test_an_answer_that_comes_in_pieces_is_one() -> None:
    with calc_client.played("info") as (client, connection):
        assert calc_client.receive_line(connection).split() == [b"INFO"]
        for byte in b"$13\r\n# A\r\nb:1\r\n\x1b[0\r\n":
            connection.sendall(bytes([byte]))
        output, _ = client.communicate(timeout=calc_client.DEADLINE)
    assert (output, client.returncode) == (b"# A\nb:1\n?[0", 0)
