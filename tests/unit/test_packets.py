"""What listener and supervisor tell each other, where one of them is from before an upgrade."""

import struct

from calcd.handler import report
from calcd.listener import packets
from calcd.supervisor import events
from calcd.supervisor.events import Alive, Sums, Unconfined


def test_a_listener_from_before_an_upgrade_names_no_system_call() -> None:
    (event,) = packets.unpack(packets.pack([packets.unconfined(packets.NO_LIBRARY)]))
    assert len(event) == 2  # all that such a listener sends, and such a supervisor takes
    assert events.decode(event) == Unconfined(packets.NO_LIBRARY, "")
    (event,) = packets.unpack(packets.pack([packets.unconfined(packets.BREAKS_HANDLERS, "getcwd")]))
    assert events.decode(event) == Unconfined(packets.BREAKS_HANDLERS, "getcwd")


def test_a_listener_from_before_an_upgrade_does_not_say_how_many_handlers_there_are() -> None:
    assert events.decode(bytes([packets.ALIVE])) == Alive(0, 0, 0)
    assert events.decode(packets.alive(8, 3, 0)[:9]) == Alive(8, 3, 0)
    assert events.decode(packets.alive(8, 3, 2)) == Alive(8, 3, 2)


def test_a_listener_from_before_an_upgrade_sums_up_without_a_protocol() -> None:
    event = struct.pack("<B4Q", packets.SERVED, 2, 6, 72, 24)
    assert events.decode(event) == events.Served(report.CLASSIC, report.CLIENT_CLOSED, 2, Sums(6, 72, 24))


def test_a_handler_from_before_an_upgrade_reports_no_protocol() -> None:
    event = struct.pack("<Bi?QiQQQ13p", report.ENDED, 7, True, 1_000, report.QUIT, 1, 24, 4, b"")
    assert events.decode(event) == events.Ended(7, 1_000, report.QUIT, Sums(1, 24, 4), b"", report.NOTHING)
