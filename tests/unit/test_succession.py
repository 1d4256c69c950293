"""When a listener is started that takes the place of another."""

import time

from calcd.linux.event_loop import Timers
from calcd.log.log import Log
from calcd.settings.table import Settings
from calcd.settings.values import LogLevel, LogTarget
from calcd.supervisor.held.sockets import Sockets
from calcd.supervisor.memory import Memory
from calcd.supervisor.succession.roster import Roster
from calcd.supervisor.succession.succession import Succession


def test_pauses_grow_while_none_starts_also_if_the_last_one_had_served_for_long() -> None:
    memory = Memory(serving_since=time.monotonic() - 1000, delay=0.0)
    succession = Succession(
        settings=Settings(),
        sockets=Sockets(),
        page=-1,
        roster=Roster(),
        timers=Timers(),
        memory=memory,
        log=Log(LogTarget.STDERR, LogLevel.ERR),
        introduce=lambda _: None,
        settled=lambda _: None,
    )
    assert [succession.start_later() for _ in range(8)] == [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0]
