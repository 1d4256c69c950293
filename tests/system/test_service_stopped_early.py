"""A stop of the service whose start is not over: systemd does not know the daemon's PID yet."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support.processes import wait_for
from system.service import HANDLER, Service

from calcd.log import messages

STOP = "os.kill(os.getpid(), signal.SIGSTOP)"
# Debian 12's systemd warns of a daemon that tells how many are connected before it is known. No start takes
# as long as these.
NOT_YET_KNOWN = (
    r"calcd.service: Got notification message from PID \d+, but reception only permitted for main PID \d+"
)
MODULE = "/usr/lib/calcd/calcd/launch/daemonize.py"


@contextmanager
def stopping_at(service: Service, line: str) -> Iterator[None]:
    """Has what starts the service stop itself with SIGSTOP before the line of its program that begins so."""
    service.machine.run(f"cp -a {MODULE} /root/daemonize.py")
    try:
        service.machine.run(rf"sed -i 's/^\( *\){line}/\1{STOP}\n&/' {MODULE}")
        yield
    finally:
        service.machine.run(f"mv /root/daemonize.py {MODULE}")


def stopped(service: Service) -> list[int]:
    """Its processes that have stopped themselves."""
    return [process.pid for process in service.processes() if process.state == "T"]


@pytest.mark.parametrize("line", ["os.write(self._stream", "os.close(self._stream", "sd_notify.tell("])
def test_a_stop_ends_the_connections_in_order_and_takes_no_longer(service: Service, line: str) -> None:
    """Before, while and after the daemon says that it serves."""
    service.expected = [NOT_YET_KNOWN]
    with stopping_at(service, line):
        service.machine.run("systemctl start --no-block calcd")
        wait_for(lambda: stopped(service), "a process that has stopped itself")
        talk = service.machine.spawn("exec 3<>/dev/tcp/127.0.0.1/7070; echo connected; cat <&3; echo end")
        assert talk.read_line() == "connected\n"
        wait_for(lambda: service.processes(HANDLER), "a handler")
        service.machine.run("systemctl stop --no-block calcd.socket calcd.service")
        wait_for(lambda: service.show("SubState") == "stop-sigterm", "the stop")
        service.machine.run(f"kill -CONT {' '.join(map(str, stopped(service)))}", check=False)
        assert talk.finish() == "end\n"
        wait_for(lambda: service.show("SubState") in ("dead", "failed"), "its end")
    assert service.show("Result") == "success"
    assert service.logged(messages.STOPPED)
