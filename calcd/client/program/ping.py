"""calc-client ping: how long the server takes to answer, as ping(8) tells it of a host."""

import time

from calcd.client.address import parse
from calcd.client.errors import ClientError, NotCalcdError
from calcd.client.program.arguments import Arguments
from calcd.client.program.commands import Commands
from calcd.client.program.exit_status import ExitStatus, of_error
from calcd.client.program.streams import complain, write
from calcd.client.session import server_name

_INTERVAL = 1.0  # seconds


class Ping:
    """Asks once a second, by one connection; by another one where it is lost."""

    def __init__(self, arguments: Arguments) -> None:
        self._arguments = arguments
        self._server = server_name(arguments.server)
        self._commands: Commands | None = None
        self._asked = self._answered = 0
        self._least = self._most = self._sum = 0.0  # seconds
        self._status = ExitStatus.OK  # of the last error

    def run(self) -> ExitStatus:
        """Asks as often as is wanted, or until Ctrl-C. Raises AddressError, OSError if standard output fails,
        and KeyboardInterrupt if nothing has come of it."""
        parse(self._server)
        _print(f"PING {self._server}")
        try:
            self._ask_again_and_again()
        except KeyboardInterrupt:
            if not self._answered and not self._status:
                raise
        finally:
            if self._commands:
                self._commands.close()
            self._summarize()
        return ExitStatus.OK if self._answered else self._status

    def _ask_again_and_again(self) -> None:
        due = time.monotonic()
        while True:
            self._asked += 1
            try:
                self._ask()
            except ClientError as error:
                if self._commands:
                    self._commands.close()
                self._commands = None
                self._status = of_error(error)
                if not self._arguments.is_quiet:
                    complain(f"seq={self._asked}: {error}")
            if self._asked == self._arguments.pings:
                return
            due = max(due + _INTERVAL, time.monotonic())
            time.sleep(max(due - time.monotonic(), 0))

    def _ask(self) -> None:
        if not self._commands:
            self._commands = Commands(self._server, self._arguments.timeout)
        before = time.monotonic()
        reply = self._commands.ask("PING")
        seconds = time.monotonic() - before
        if reply != "PONG":
            raise NotCalcdError(f"{self._server} sent {reply!r}, which is no answer to PING")
        self._least = min(self._least, seconds) if self._answered else seconds
        self._most = max(self._most, seconds)
        self._sum += seconds
        self._answered += 1
        _print(f"answer from {self._server}: seq={self._asked} time={seconds * 1000:.3f} ms")

    def _summarize(self) -> None:
        lost = (self._asked - self._answered) / max(self._asked, 1)
        _print(f"\n--- {self._server} ping statistics ---")
        _print(f"{self._asked} asked, {self._answered} answered, {lost:.0%} without an answer")
        if self._answered:
            times = (self._least, self._sum / self._answered, self._most)
            _print(f"min/avg/max = {'/'.join(f'{seconds * 1000:.3f}' for seconds in times)} ms")


def _print(line: str) -> None:
    write(1, f"{line}\n".encode(errors="surrogateescape"))
