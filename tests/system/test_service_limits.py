"""What an administrator sees of the limits."""

import re

from support.processes import wait_for
from system.service import HANDLER, Service

from calcd.log import messages


def test_the_status_line_says_that_new_connections_wait_and_they_are_served_in_the_end(
    service: Service,
) -> None:
    service.expected.append("MaxConnections=1 is reached: .*")
    service.configure("[calcd]\nMaxConnections=1\n")
    service.start()
    holder = service.machine.spawn("exec 3<>/dev/tcp/127.0.0.1/7070; cat")
    wait_for(lambda: "MaxConnections=1 reached" in service.show("StatusText"), "the status line")
    waiting = service.machine.spawn("calc-client add 2 3; echo done")
    holder.finish()
    assert waiting.finish() == "5\ndone\n"
    (full,) = service.logged(messages.FULL)
    assert full["CALCD_SETTING"] == "MaxConnections=1"


def test_handlers_have_their_limits_within_the_sandbox(service: Service) -> None:
    service.start()
    holder = service.machine.spawn("exec 3<>/dev/tcp/127.0.0.1/7070; cat")
    limits = service.machine.output(f"cat /proc/{service.pid(HANDLER)}/limits")
    assert re.search(r"(?m)^Max cpu time +3600 ", limits)
    assert re.search(r"(?m)^Max data size +67108864 ", limits)
    holder.finish()
