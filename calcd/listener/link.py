"""The link to the supervisor: a SOCK_SEQPACKET pair, events up and commands down (calcd.listener.packets)."""

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
        """supervisor is this end of the pair. obey carries out a command."""
        self._supervisor = supervisor
        self._outbox = outbox
        self._loop = loop
        self._obey = obey
        self._supervisor_died = supervisor_died
        self._is_alone = False
        self._is_full = False  # the supervisor takes nothing for now

    def open(self) -> None:
        """Takes the commands that are there already, and from now on those that come."""
        self._supervisor.setblocking(False)
        self._loop.watch(self._supervisor.fileno(), self._take_command)
        while self._take_command():
            pass

    def flush(self) -> None:
        """Tells what is in the outbox. To be called before anything that takes long, as a fork does: what
        this process has heard and not told yet, is lost with it when it is killed."""
        if self._is_alone:
            self._outbox.clear()
        elif not self._is_full:  # else epoll tells when there is room again
            self._send()

    def _take_command(self) -> bool:
        """Also sends what could not be sent before: called when the socket is readable or writable. Returns
        whether there was a command."""
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
        """What the supervisor can't take now is kept for later: nobody waits for it."""
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
        """The supervisor has died: what is in hand is served, and the rest is its successor's."""
        if not self._is_alone:
            self._is_alone = True
            self._loop.ignore(self._supervisor.fileno())
            self._supervisor_died()
