"""Clients of every kind at once, as a program; every answer is checked against the model of the protocol.

    clients.py ADDRESS UNIX_SOCKET SEED

It goes on until the end of file on standard input, and then prints a JSON object: what it counted, what was
wrong, and when connections were lost without an answer, or a source had more than it may: what was done to
calcd at that time may excuse it. Its status is 1 when anything was wrong. The deadlines and limits that it
counts on are those of SETTINGS.
"""

import collections
import contextlib
import json
import os
import random
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable

from fuzz import model
from fuzz.model import Conversation
from support.exchange import TIMEOUT, exchange
from support.processes import every_process

FIRST_BYTE, FRAME, IDLE, SEND = 3, 5, 3, 2  # seconds
PER_SOURCE = 10
MOST_REQUESTS = 3000  # of a connection that counts exactly
SETTINGS = f"""[calcd]
MaxConnections=40
MaxConnectionsPerSource={PER_SOURCE}
MaxRatePerSource=1000
ExemptSources=127.0.0.1
FirstByteTimeout={FIRST_BYTE}
FrameTimeout={FRAME}
IdleTimeout={IDLE}
SendTimeout={SEND}
"""

_THREADS = 44  # more than MaxConnections=
# Commands of RESP that are sent at once.
_SUMS = 300
_PAUSE = 0.02  # seconds
_TCP_REPAIR = 19  # linux/tcp.h; needs CAP_NET_ADMIN
_NUMBERS = (0, 1, -1, 7, -7, 2**31 - 1, -(2**31))
_DEADLY = (signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGPWR)


class WrongError(Exception):
    """calcd has done what it must not."""


class LostError(Exception):
    """A connection has ended before its first answer."""


class LateError(Exception):
    """The client was late itself, by this machine's load, and may have been cut off."""


class Clients:
    def __init__(self, server: tuple[str, int], path: str) -> None:
        self.server = server
        self.path = path
        self.is_over = False
        self.counts: collections.Counter[str] = collections.Counter()
        self.wrong: list[str] = []
        # From when to when, and what kind: connections that were lost, and sources that had too many.
        self.lost: list[tuple[float, float, str]] = []
        self.excesses: list[tuple[float, float, str]] = []
        self._lock = threading.Lock()

    def count(self, **numbers: int) -> None:
        with self._lock:
            self.counts.update(numbers)

    def run(self, seed: str) -> None:
        """One client after the other."""
        dice = random.Random(seed)
        kinds, weights = zip(*KINDS.items(), strict=True)
        while not self.is_over:
            (kind,) = dice.choices(kinds, weights)
            client = Client(self, dice)
            self.count(**{kind.__name__: 1})
            try:
                kind(client)
            except WrongError as wrong:
                self.note_wrong(f"{kind.__name__}: {wrong}")
            except TimeoutError:
                self.note_wrong(f"{kind.__name__}: nothing came for {TIMEOUT} s")
            except LateError:
                self.count(late=1)
            except LostError:
                with self._lock:
                    self.lost.append((client.began, time.monotonic(), kind.__name__))

    def note_wrong(self, what: str) -> None:
        with self._lock:
            self.wrong.append(what)


class Client:
    """A connection, or a few, of one kind."""

    def __init__(self, clients: Clients, dice: random.Random) -> None:
        self.count = clients.count
        self.dice = dice
        self.began = self.busy = 0.0  # time.monotonic(): the connect, and the last word of either side
        self._clients = clients
        self._answers = 0

    def note_excess(self, began: float) -> None:
        self._clients.excesses.append((began, time.monotonic(), "flooding"))

    def connect(self, source: str = "") -> socket.socket:
        """Over TCP; from the address source if there is one."""
        self.began = self.busy = time.monotonic()
        connection = socket.create_connection(
            self._clients.server, TIMEOUT, source_address=(source, 0) if source else None
        )
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.count(connections=1)
        return connection

    def connect_anyhow(self) -> socket.socket:
        """Over TCP or the Unix socket."""
        if self.dice.random() < 0.8:
            return self.connect()
        self.began = self.busy = time.monotonic()
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(TIMEOUT)
        connection.connect(self._clients.path)
        self.count(connections=1)
        return connection

    def requests(self, number: int) -> bytes:
        """So many requests that have answers."""
        made = []
        for _ in range(number):
            oper, a, b = self.dice.randrange(4), self._number(), self._number()
            made.append(struct.pack("<iii", oper, a, b or 1 if oper == 3 else b))
        return b"".join(made)

    def _number(self) -> int:
        return (
            self.dice.choice(_NUMBERS) if self.dice.random() < 0.3 else self.dice.randrange(-(2**31), 2**31)
        )

    def cut(self, stream: bytes) -> list[bytes]:
        """The stream in some pieces."""
        at = sorted(self.dice.randrange(len(stream) + 1) for _ in range(self.dice.randrange(5)))
        pieces = [stream[a:b] for a, b in zip([0, *at], [*at, len(stream)], strict=True)]
        return [piece for piece in pieces if piece]

    def ask(self, connection: socket.socket, requests: bytes) -> None:
        """Sends whole requests, and checks the answers.

        Raises LostError or WrongError when the connection ends instead: only a client that has itself been
        silent for too long may be cut off.
        """
        expected = model.converse(requests).replies
        waited = time.monotonic() - self.busy
        received = b""
        with contextlib.suppress(ConnectionError):
            connection.sendall(requests)
            received = receive(connection, len(expected))
        self.busy = time.monotonic()
        self._answers += len(received) // 4
        self.count(least_requests=len(received) // 4, most_requests=len(received) // 4)
        if not expected.startswith(received):
            raise WrongError(f"{requests.hex()} was answered {received.hex()}")
        if len(received) < len(expected):
            if waited > min(FIRST_BYTE, IDLE) * 0.9:
                raise LateError
            if not self._answers:
                raise LostError
            raise WrongError(
                f"lost after {self._answers} answers, {len(expected) - len(received)} bytes short"
            )

    def check(self, said: Conversation, replies: bytes) -> None:
        """What a client that has said all at once is answered."""
        self.count(least_requests=said.requests, most_requests=said.requests)
        if replies == said.replies:
            return
        if not replies and self._answers == 0:
            raise LostError
        raise WrongError(f"{len(said.replies)} bytes of answers expected, {len(replies)} received, or others")

    def wait_for_end(self, connection: socket.socket) -> float:
        """Seconds until calcd ends the connection; there must be no more answers."""
        began = time.monotonic()
        with contextlib.suppress(ConnectionResetError):
            if rest := connection.recv(64):
                raise WrongError(f"{rest!r}, and nobody had asked")
        return time.monotonic() - began


def receive(connection: socket.socket, size: int) -> bytes:
    """So many bytes, or fewer if the connection ends."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while len(received) < size and (chunk := connection.recv(size - len(received))):
            received += chunk
    return received


# --- Who does as the protocol says


def one_shot(client: Client) -> None:
    with client.connect_anyhow() as connection:
        client.ask(connection, client.requests(1))
        connection.sendall(struct.pack("<iii", 4, 0, 0))
        client.wait_for_end(connection)


def pipelining(client: Client) -> None:
    """Up to all that a connection may ask at once, ended in any of the ways there are."""
    stream = client.requests(client.dice.choice((1, 20, 300, MOST_REQUESTS)))
    ending = client.dice.choice((b"", b"", struct.pack("<iii", 4, 0, 0), struct.pack("<iii", 3, 1, 0)))
    with client.connect_anyhow() as connection:
        client.check(model.converse(stream + ending), exchange(connection, client.cut(stream + ending)))


def speaking_resp(client: Client) -> None:
    """As many sums as it likes, in one go."""
    pairs = [(client.dice.randrange(10**6), client.dice.randrange(10**6)) for _ in range(_SUMS)]
    commands = [b"ADD %d %d\r\n" % pair for pair in pairs[: client.dice.choice((1, 20, _SUMS))]]
    expected = b"".join(b":%d\r\n" % (a + b) for a, b in pairs[: len(commands)])
    stream = b"".join(commands) + client.dice.choice((b"", b"QUIT\r\n"))
    has_quit = stream.endswith(b"QUIT\r\n")
    asked = len(commands) + has_quit
    with client.connect_anyhow() as connection:
        client.count(least_requests=asked, most_requests=asked)
        received = exchange(connection, client.cut(stream))
        if not received:
            raise LostError
        if received != expected + b"+OK\r\n" * has_quit:
            raise WrongError(f"{stream!r} was answered {received!r}")


def trickling(client: Client) -> None:
    """A byte at a time."""
    with client.connect_anyhow() as connection:
        request = client.requests(1)
        began = time.monotonic()
        reply = b""
        with contextlib.suppress(ConnectionError):
            for byte in request:
                connection.sendall(bytes([byte]))
                time.sleep(_PAUSE)
            reply = receive(connection, 4)
        if time.monotonic() - began > FRAME * 0.9 and not reply:
            raise LateError
        client.check(model.converse(request), reply)


def staying(client: Client) -> None:
    """Longer than listeners stay."""
    with client.connect_anyhow() as connection:
        for _ in range(client.dice.randrange(10, 60)):
            client.ask(connection, client.requests(client.dice.choice((1, 1, 1, 5))))
            time.sleep(client.dice.choice((0, _PAUSE, 5 * _PAUSE)))


# --- Who does not


def silent(client: Client) -> None:
    with client.connect() as connection:
        client.count(least_cut_off=1, most_cut_off=1)
        if client.wait_for_end(connection) < FIRST_BYTE * 0.9:
            raise LostError


def idle(client: Client) -> None:
    with client.connect_anyhow() as connection:
        client.ask(connection, client.requests(1))
        client.count(least_cut_off=1, most_cut_off=1)
        if client.wait_for_end(connection) < IDLE * 0.9:
            raise WrongError("cut off before its time")


def unfinished(client: Client) -> None:
    with client.connect() as connection:
        client.ask(connection, client.requests(2))
        connection.sendall(client.requests(1)[: client.dice.randrange(1, 12)])
        client.count(least_cut_off=1, most_cut_off=1)
        if client.wait_for_end(connection) < FRAME * 0.9:
            raise WrongError("cut off before its time")


def resetting(client: Client) -> None:
    """Goes without a word, with answers on their way."""
    with client.connect() as connection:
        number = client.dice.randrange(50)
        connection.sendall(client.requests(number))
        client.count(most_requests=number)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def vanishing(client: Client) -> None:
    """As a machine that is switched off: the connection stays half open."""
    with client.connect() as connection:
        client.ask(connection, client.requests(1))
        client.count(most_cut_off=1)
        connection.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR, 1)


def not_reading(client: Client) -> None:
    """Until its window is zero, and then until calcd has given up."""
    requests = client.requests(1000)
    with client.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sent = 0
        with contextlib.suppress(ConnectionError):
            while True:
                sent += connection.send(requests)
        client.count(most_requests=sent // model.SIZE, least_cut_off=1, most_cut_off=1)


def stranger(client: Client) -> None:
    """What begins neither a classic request nor RESP, or goes on in another way."""
    stream = client.dice.choice(
        (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + client.dice.randbytes(400),
            struct.pack(">iii", 1, 6, 7),
            b"\x80" + client.dice.randbytes(client.dice.randrange(2000)),
        )
    )
    with client.connect_anyhow() as connection:
        said = model.converse(stream)
        client.check(said, exchange(connection, client.cut(stream)))
        client.count(strangers=said.ending == model.UNKNOWN_OPERATION and not said.requests)


def flooding(client: Client) -> None:
    """Many connections at once from one source that is not exempt: some are served, no more than it may have,
    and the others are closed."""
    source = "127.{}.{}.{}".format(*(client.dice.randrange(1, 255) for _ in range(3)))
    began = time.monotonic()
    with contextlib.ExitStack() as open_connections:
        connections = [open_connections.enter_context(client.connect(source)) for _ in range(PER_SOURCE * 3)]
        served = 0
        for connection in connections:
            request = client.requests(1)
            reply = b""
            with contextlib.suppress(ConnectionError):
                connection.sendall(request)
                reply = receive(connection, 4)
            client.count(least_requests=len(reply) // 4, most_requests=len(reply) // 4)
            if reply and reply != model.converse(request).replies:
                raise WrongError(f"{request.hex()} was answered {reply.hex()}")
            served += bool(reply)
        client.count(refused=len(connections) - served, most_cut_off=served)
        if not served:
            raise WrongError("no connection of a source was served")
        # Else the first ones may have been cut off, and others have come in their place.
        if served > PER_SOURCE and time.monotonic() - began < IDLE * 0.9:
            client.note_excess(began)


# --- Who lives to see a handler die


def _signal_handler(connection: socket.socket, number: signal.Signals) -> None:
    """To the handler of this connection, and no other."""
    title = "calcd: serving {}:{}".format(*connection.getsockname())
    for process in every_process():
        if process.belongs(lambda p: p.title == title):
            os.kill(process.pid, number)
            return
    raise WrongError(f"no process is titled {title!r}")


def bereft(client: Client) -> None:
    """Its handler is killed, and the connection is at its end; nobody else notices."""
    with client.connect() as connection:
        client.ask(connection, client.requests(3))
        _signal_handler(connection, client.dice.choice(_DEADLY))
        client.wait_for_end(connection)
        client.count(handlers_killed=1, least_requests=-3)


def dismissed(client: Client) -> None:
    """Its handler is told to end: what has been asked is answered."""
    with client.connect() as connection:
        client.ask(connection, client.requests(3))
        _signal_handler(connection, signal.SIGTERM)
        client.wait_for_end(connection)


def paused(client: Client) -> None:
    """Its handler is stopped for a while, and goes on."""
    with client.connect() as connection:
        client.ask(connection, client.requests(1))
        _signal_handler(connection, signal.SIGSTOP)
        request = client.requests(1)
        connection.sendall(request)
        time.sleep(5 * _PAUSE)
        _signal_handler(connection, signal.SIGCONT)
        client.check(model.converse(request), receive(connection, 4))
        client.count(handlers_paused=1)


KINDS: dict[Callable[[Client], None], int] = {
    one_shot: 100,
    pipelining: 30,
    trickling: 10,
    staying: 8,
    silent: 2,
    idle: 2,
    unfinished: 1,
    resetting: 10,
    not_reading: 1,
    stranger: 20,
    speaking_resp: 20,
    flooding: 2,
    bereft: 3,
    dismissed: 3,
    paused: 3,
    **({vanishing: 2} if os.geteuid() == 0 else {}),
}


def main() -> int:
    address, path, seed = sys.argv[1:]
    host, _, port = address.rpartition(":")
    clients = Clients((host, int(port)), path)
    threads = [threading.Thread(target=clients.run, args=(f"{seed} {n}",)) for n in range(_THREADS)]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    clients.is_over = True
    for thread in threads:
        thread.join()
    print(json.dumps({name: getattr(clients, name) for name in ("counts", "wrong", "lost", "excesses")}))
    return 1 if clients.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
