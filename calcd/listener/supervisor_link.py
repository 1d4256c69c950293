"""The listener's link to the supervisor: it sends events and takes commands (calcd.listener.packets)."""

from __future__ import annotations

from calcd.linux.event_loop import EPOLLIN, EPOLLOUT
from calcd.listener import packets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Callable

    from calcd.linux.event_loop import EventLoop
    from calcd.listener.outbox import Outbox


class Link:
    def __init__(
        self,
        supervisor: socket,
        outbox: Outbox,
        loop: EventLoop,
        *,
        obey: Callable[[bytes], None],
        supervisor_died: Callable[[], None],
    ) -> None:
        """supervisor is the listener's end of the SOCK_SEQPACKET pair. obey is called with each command,
        supervisor_died when the other end is closed."""
        self._supervisor = supervisor
        self._outbox = outbox
        self._loop = loop
        self._obey = obey
        self._supervisor_died = supervisor_died
        self._is_alone = False
        self._is_full = False  # the supervisor takes nothing for now

    def open(self) -> None:
        """Takes the commands that have arrived already, and watches for more."""
        self._supervisor.setblocking(False)
        self._loop.watch(self._supervisor.fileno(), self._take_command)
        while self._take_command():
            pass

    def flush(self) -> None:
        """Sends the events in the outbox.

        Call it before anything that takes long, such as a fork: if the listener is killed, the events that it
        has not sent are lost.
        """
        if self._is_alone:
            self._outbox.clear()
        elif not self._is_full:  # else epoll reports when there is room again
            self._send()

    def _take_command(self) -> bool:
        """Takes a command, and sends the events that did not fit before. Called when the socket is readable
        or writable. Returns whether there was a command."""
        packet: bytes | None
        try:
            packet = self._supervisor.recv(packets.PACKET_SIZE)
        except BlockingIOError:
            packet = None
        except ConnectionResetError:
            packet = b""
        if packet == b"":
            self._go_on_alone()
            return False
        if packet:
            self._obey(packet)
        if self._is_full:
            self._send()
        return packet is not None

    def _send(self) -> None:
        """Sends events without waiting. Those that the supervisor does not take now stay in the outbox."""
        self._outbox.close_sum()
        unsent = self._outbox.events
        sent = 0
        is_full = False
        try:
            while sent < len(unsent):
                events = unsent[sent : sent + packets.EVENTS]
                self._supervisor.send(packets.pack(events))
                sent += len(events)
        except BlockingIOError:
            is_full = True
        except (BrokenPipeError, ConnectionResetError):
            self._go_on_alone()
            return
        del unsent[:sent]
        if is_full != self._is_full:
            self._is_full = is_full
            self._loop.change(self._supervisor.fileno(), EPOLLIN | EPOLLOUT if is_full else EPOLLIN)

    def _go_on_alone(self) -> None:
        """The supervisor has died: its successor will serve new clients, this listener those it has."""
        if not self._is_alone:
            self._is_alone = True
            self._loop.ignore(self._supervisor.fileno())
            self._supervisor_died()
