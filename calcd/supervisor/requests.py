"""Takes the requests at the control socket: for a reload, for an upgrade, and for what calcd tells of itself.

Where the system lacks what accept(2) needs, requests wait in the socket's backlog. epoll would report them at
once again, so the socket is left alone for a while.
"""

from collections.abc import Callable, Mapping

from calcd.linux.event_loop import EventLoop
from calcd.log import messages
from calcd.log.log import Log
from calcd.supervisor import system_limits
from calcd.supervisor.held.control import UPGRADE, Control
from calcd.supervisor.reload import Reload

# Seconds without accepting after accept(2) has failed.
_PAUSE = 1.0


class Requests:
    def __init__(
        self,
        *,
        loop: EventLoop,
        control: Control,
        texts: Mapping[bytes, Callable[[], bytes]],
        reload: Reload,
        log: Log,
    ) -> None:
        """texts has what calcd tells of itself, by request."""
        self._loop = loop
        self._control = control
        self._texts = texts
        self._reload = reload
        self._log = log
        self._is_short = False  # the log says so already

    def watch(self) -> None:
        self._loop.watch(self._control.fileno(), self._take)

    def _take(self) -> None:
        try:
            request = self._control.accept(self._texts)
        except OSError as error:
            self._pause(error)
            return
        self._is_short = False
        if request:
            self._reload.ask(upgrades=request == UPGRADE)

    def _pause(self, error: OSError) -> None:
        self._loop.ignore(self._control.fileno())
        self._loop.timers.set("requests", _PAUSE, self.watch)
        if not self._is_short:
            self._is_short = True
            remedy = system_limits.words().accept
            self._log.write(messages.REQUESTS_WAIT, error=error.strerror, remedy=remedy)
