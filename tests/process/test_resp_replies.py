"""What calcd answers to Redis's own commands: byte for byte what Redis does, but for the names of calcd."""

import re
import socket
from collections.abc import Iterator

import pytest
from support.daemon import Calcd
from support.resp import CONNECTIONS, Error, Verbatim, array, ask, assert_goes_on, bulk, decode, until_end

OK = b"+OK\r\n"
PONG = b"+PONG\r\n"
QUEUED = b"+QUEUED\r\n"
NIL = b"$-1\r\n"
EXECABORT = b"-EXECABORT Transaction discarded because of previous errors.\r\n"
CLIENT_NAMES = b"-ERR Client names cannot contain spaces, newlines or special characters.\r\n"
NO_PASSWORD = (
    b"-ERR AUTH <password> called without any password configured for the default user. Are you sure your "
    b"configuration is correct?\r\n"
)


@pytest.fixture(scope="module")
def calcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calcd]:
    with Calcd(tmp_path_factory.mktemp("calcd")) as calcd:
        calcd.expected.append(CONNECTIONS)
        yield calcd


@pytest.fixture
def connection(calcd: Calcd) -> Iterator[socket.socket]:
    with calcd.connect() as connection:
        yield connection


def wrong_number(command: str) -> bytes:
    return f"-ERR wrong number of arguments for '{command}' command\r\n".encode()


def unknown(name: str, arguments: str = "") -> bytes:
    return f"-ERR unknown command '{name}', with args beginning with: {arguments}\r\n".encode()


def says(connection: socket.socket, *words: str | bytes | int) -> object:
    """The one reply to a command."""
    (reply,) = decode(ask(connection, array(*words)))
    return reply


ROWS = {
    "FOO": unknown("FOO"),
    "foo a b": unknown("foo", "'a' 'b' "),
    "GET k": unknown("GET", "'k' "),
    "x" * 130 + " " + "y" * 130: unknown("x" * 128, f"'{'y' * 128}' "),
    "ECHO": wrong_number("echo"),
    "echo a b": wrong_number("echo"),
    "ECHO x": bulk(b"x"),
    "PING x": bulk(b"x"),
    "PING a b": wrong_number("ping"),
    "CLIENT": wrong_number("client"),
    "CLIENT FOO": b"-ERR unknown subcommand 'FOO'. Try CLIENT HELP.\r\n",
    "CLIENT ID x": wrong_number("client|id"),
    "CLIENT GETNAME": NIL,
    "CLIENT SETNAME": wrong_number("client|setname"),
    "client setname me, client getname, CLIENT SETNAME '', CLIENT GETNAME": OK + bulk(b"me") + OK + NIL,
    "CLIENT SETNAME me, RESET, CLIENT GETNAME": OK + b"+RESET\r\n" + NIL,
    "CLIENT SETNAME 'a b'": CLIENT_NAMES,
    "CLIENT SETINFO FOO x": b"-ERR Unrecognized option 'FOO'\r\n",
    "CLIENT SETINFO LIB-NAME redis-py, client setinfo lib-ver 6.1.0": OK + OK,
    "CLIENT SETINFO LIB-NAME": wrong_number("client|setinfo"),
    "HELLO 4": b"-NOPROTO unsupported protocol version\r\n",
    "HELLO 1": b"-NOPROTO unsupported protocol version\r\n",
    "HELLO x": b"-ERR Protocol version is not an integer or out of range\r\n",
    "HELLO 3 FOO, CLIENT GETNAME": b"-ERR Syntax error in HELLO option 'FOO'\r\n" + NIL,
    "HELLO 3 AUTH x, CLIENT GETNAME": b"-ERR Syntax error in HELLO option 'AUTH'\r\n" + NIL,
    "HELLO 3 SETNAME 'a b', CLIENT GETNAME": CLIENT_NAMES + NIL,
    "AUTH x": NO_PASSWORD,
    "AUTH default x": OK,
    "AUTH": wrong_number("auth"),
    "RESET": b"+RESET\r\n",
    "RESET x": wrong_number("reset"),
    "SELECT 0": OK,
    "SELECT": wrong_number("select"),
    "SELECT 99": b"-ERR DB index is out of range\r\n",
    "INFO nosuch": b"$0\r\n\r\n",
    "CONFIG": wrong_number("config"),
    "CONFIG GET": wrong_number("config|get"),
    "CONFIG GET save": b"*2\r\n" + bulk(b"save") + bulk(b""),
    "config get appendonly": b"*2\r\n" + bulk(b"appendonly") + bulk(b"no"),
    "COMMAND DOCS nosuch": b"*0\r\n",
    "COMMAND FOO": b"-ERR unknown subcommand 'FOO'. Try COMMAND HELP.\r\n",
    "WATCH k, UNWATCH": OK + OK,
    "WATCH": wrong_number("watch"),
    "EXEC": b"-ERR EXEC without MULTI\r\n",
    "DISCARD": b"-ERR DISCARD without MULTI\r\n",
    "MULTI, EXEC": OK + b"*0\r\n",
    "MULTI, PING, ECHO x, EXEC": OK + QUEUED + QUEUED + b"*2\r\n" + PONG + bulk(b"x"),
    "MULTI, PING, DISCARD, PING": OK + QUEUED + OK + PONG,
    "MULTI, MULTI, DISCARD": OK + b"-ERR MULTI calls can not be nested\r\n" + OK,
    "MULTI, WATCH k, DISCARD": OK + b"-ERR WATCH inside MULTI is not allowed\r\n" + OK,
    "MULTI, NOSUCH, PING, EXEC, PING": OK + unknown("NOSUCH") + QUEUED + EXECABORT + PONG,
    "NOSUCH, MULTI, PING, EXEC": unknown("NOSUCH") + OK + QUEUED + b"*1\r\n" + PONG,
    "MULTI, ECHO, EXEC": OK + wrong_number("echo") + EXECABORT,
    "MULTI, PING, RESET, EXEC": OK + QUEUED + b"+RESET\r\n-ERR EXEC without MULTI\r\n",
}


@pytest.mark.parametrize("commands", ROWS)
def test_a_command_of_redis_is_answered_as_redis_does(calcd: Calcd, commands: str) -> None:
    assert_goes_on(calcd, commands.replace(", ", "\r\n").encode() + b"\r\n", ROWS[commands])
    words = [command.replace("'", "").split(" ") for command in commands.split(", ")]
    if "'a b'" not in commands:
        assert_goes_on(calcd, b"".join(array(*command) for command in words), ROWS[commands])


def test_line_ends_in_an_unknown_command_become_blanks(calcd: Calcd) -> None:
    assert_goes_on(calcd, array("a\r\nb", "c\nd\r"), unknown("a  b", "'c d ' "))


@pytest.mark.parametrize("last", [b"QUIT\r\n", b"quit a b\n", array("QUIT")])
def test_quit_is_answered_and_closes_and_what_follows_is_not_run(calcd: Calcd, last: bytes) -> None:
    with calcd.connect() as connection:
        connection.sendall(b"PING\r\n" + last + b"PING\r\n" * 1000)
        assert until_end(connection) == PONG + OK


@pytest.mark.parametrize("version", [2, 3])
def test_hello_describes_the_server_in_the_version_just_chosen(
    connection: socket.socket, version: int
) -> None:
    raw = ask(connection, b"hello %d AUTH default secret SETNAME me\r\n" % version)
    assert raw.startswith(b"%7\r\n" if version == 3 else b"*14\r\n")
    (flat,) = decode(b"*14\r\n" + raw.partition(b"\r\n")[2])
    assert isinstance(flat, list)
    assert flat[::2] == [b"server", b"version", b"proto", b"id", b"mode", b"role", b"modules"]
    server, numbers, proto, identity, mode, role, modules = flat[1::2]
    assert server == b"calcd"
    # Lettuce wants digits and dots, others switch features off below 7.
    assert re.fullmatch(rb"[7-9]\.\d+\.\d+", numbers)
    assert (proto, mode, role, modules) == (version, b"standalone", b"master", [])
    assert says(connection, "CLIENT", "ID") == identity
    assert says(connection, "CLIENT", "GETNAME") == b"me"


def test_hello_without_a_version_switches_nothing(connection: socket.socket) -> None:
    assert ask(connection, b"HELLO\r\n").startswith(b"*14\r\n")
    ask(connection, b"HELLO 3\r\n")
    assert ask(connection, b"HELLO\r\n").startswith(b"%7\r\n")
    assert ask(connection, b"HELLO 4\r\nHELLO x\r\nCLIENT GETNAME\r\n").endswith(b"\r\n_\r\n")
    assert ask(connection, b"RESET\r\nCLIENT GETNAME\r\n") == b"+RESET\r\n" + NIL


def test_resp3_has_its_own_null_and_its_own_maps(connection: socket.socket) -> None:
    ask(connection, b"HELLO 3\r\n")
    assert ask(connection, b"CLIENT GETNAME\r\n") == b"_\r\n"
    assert ask(connection, b"CONFIG GET save\r\n") == b"%1\r\n" + bulk(b"save") + bulk(b"")
    assert ask(connection, b"COMMAND DOCS nosuch\r\n") == b"%0\r\n"
    assert ask(connection, b"ECHO x\r\nPING x\r\n") == bulk(b"x") * 2
    assert ask(connection, b"MULTI\r\nPING\r\nEXEC\r\n") == OK + QUEUED + b"*1\r\n" + PONG


def test_ids_are_integers_that_grow_from_client_to_client(calcd: Calcd) -> None:
    ids: list[int] = []
    for _ in range(20):
        with calcd.connect() as connection:
            number = says(connection, "CLIENT", "ID")
            assert isinstance(number, int)
            ids.append(number)
    assert 0 < ids[0] < ids[-1] < 2**53
    assert ids == sorted(set(ids))


def test_client_info_has_the_fields_of_redis(connection: socket.socket) -> None:
    ask(connection, array("CLIENT", "SETNAME", "me"))
    text = says(connection, "CLIENT", "INFO")
    assert isinstance(text, bytes)
    fields = dict(field.split("=", 1) for field in text.decode().split())
    host, port = connection.getsockname()
    assert fields["addr"] == f"{host}:{port}"
    assert fields["name"] == "me"
    assert int(fields["id"]) == says(connection, "CLIENT", "ID")


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("name", ["INFO", "info", "INFO default", "info ALL", "INFO everything"])
def test_info_has_what_clients_look_for(connection: socket.socket, name: str, version: int) -> None:
    ask(connection, b"HELLO %d\r\n" % version)
    text = says(connection, *name.split())
    if version == 3:
        assert isinstance(text, Verbatim)
        assert text.kind == "txt"
        text = text.text
    assert isinstance(text, bytes)
    lines = text.decode().split("\r\n")
    assert "\n" not in "".join(lines)
    fields = dict(line.split(":", 1) for line in lines if line and not line.startswith("#"))
    assert fields["redis_version"] == "7.0.0"
    assert fields["role"] == "master"
    assert fields["loading"] == "0"
    # redis-cli --stat reads them.
    for field in (
        *("used_memory", "connected_clients", "blocked_clients", "total_commands_processed"),
        *("total_connections_received", "rdb_bgsave_in_progress", "aof_rewrite_in_progress"),
    ):
        assert fields[field].isdecimal(), field


def test_info_has_sections_by_name(connection: socket.socket) -> None:
    replication = says(connection, "INFO", "REPLICATION")
    assert isinstance(replication, bytes)
    assert replication.startswith(b"# Replication\r\nrole:master\r\n")
    assert b"redis_version" not in replication
    two = says(connection, "info", "replication", "server")
    assert isinstance(two, bytes)
    assert b"\r\nrole:master\r\n" in two
    assert b"redis_version:" in two


@pytest.mark.parametrize("version", [2, 3])
def test_the_commands_are_listed_in_ten_parts_each(connection: socket.socket, version: int) -> None:
    ask(connection, b"HELLO %d\r\n" % version)
    commands = says(connection, "COMMAND")
    assert isinstance(commands, list)
    assert all(len(command) == 10 for command in commands)
    assert says(connection, "COMMAND", "COUNT") == len(commands)
    names = {command[0] for command in commands}
    assert {b"add", b"sub", b"mul", b"div", b"ping", b"hello", b"info", b"multi"} <= names
    assert says(connection, "COMMAND", "LIST") == [command[0] for command in commands]
    assert {command[0]: command[1] for command in commands}[b"add"] == -3  # at least two operands
    two = says(connection, "command", "info", "ADD", "nosuch")
    assert isinstance(two, list)
    known, nothing = two
    assert nothing is None
    assert known == next(command for command in commands if command[0] == b"add")


@pytest.mark.parametrize("version", [2, 3])
def test_the_documentation_of_a_command_has_bulk_strings_alone(
    connection: socket.socket, version: int
) -> None:
    """redis-cli aborts at a simple string among them."""
    ask(connection, b"HELLO %d\r\n" % version)
    raw = ask(connection, b"COMMAND DOCS add\r\n")
    assert set(re.findall(rb"^\+(.*)\r$", raw, re.MULTILINE)) <= {b"multiple", b"optional"}
    assert raw.startswith(b"%1\r\n$3\r\nadd\r\n%" if version == 3 else b"*2\r\n$3\r\nadd\r\n*")
    assert b"~" not in raw.partition(b"arguments")[2].partition(b"flags")[0]
    everything = says(connection, "COMMAND", "DOCS")
    assert isinstance(everything, dict if version == 3 else list)
    assert says(connection, "COMMAND", "COUNT") == len(everything) // (1 if version == 3 else 2)


def test_an_error_has_a_first_word_and_a_sentence(connection: socket.socket) -> None:
    for command in ("DIV 1 0", "ADD 1 x", "MUL 1 " + "9" * 1025, "HELLO 9", "NOSUCH"):
        error = says(connection, *command.split())
        assert isinstance(error, Error)
        assert re.fullmatch(r"[A-Z]+ \S+ .*", error.text)
