"""Handlers that end while the listener looks elsewhere."""

import os
import signal
from pathlib import Path

from support.daemon import ON_DEMAND, Calcd, ask
from support.processes import wait_for

from calcd.protocol.classic import Operation

DIED = r"connection \d+ .* its handler \d+ died: killed by signal 9 \(SIGKILL\); .*"
QUIT = r"connection \d+ .* ended after .* s: closed by client; requests: 1, .*"


def test_one_signal_that_stands_for_many_handlers_leaves_none_unnoticed(tmp_path: Path) -> None:
    with Calcd(tmp_path, handlers=ON_DEMAND) as calcd, calcd.connect() as staying:
        calcd.expected.append(DIED)
        assert ask(staying, Operation.ADD, 1, 1) == 2
        others = [calcd.connect() for _ in range(10)]
        for connection in others:
            assert ask(connection, Operation.ADD, 1, 1) == 2
        ports = {connection.getsockname()[1] for connection in others[:5]}
        killed = [handler for handler in calcd.handlers if int(handler.title.rpartition(":")[2]) in ports]
        listener = calcd.listener
        os.kill(listener.pid, signal.SIGSTOP)
        for handler in killed:
            os.kill(handler.pid, signal.SIGKILL)
        for connection in others:
            connection.close()
        wait_for(lambda: len([h for h in listener.children() if h.is_zombie]) == 10, "ten ends")
        os.kill(listener.pid, signal.SIGCONT)
        calcd.wait_for_log(DIED, times=5)
        calcd.wait_for_log(QUIT, times=5)
        wait_for(lambda: len(listener.children()) == 1, "all of them to be waited for")
        assert ask(staying, Operation.ADD, 2, 2) == 4
