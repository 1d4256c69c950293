"""The child in which the installed code shows that it could take over, as the supervisor waits for it."""

import json
import os
from pathlib import Path

from calcd.linux.event_loop import EventLoop
from calcd.supervisor import records
from calcd.supervisor.failure import Failure
from calcd.supervisor.upgrade.proof import Proof
from calcd.supervisor.upgrade.state import State

STATE = records.from_json(State, json.loads(Path(__file__).with_name("state-1.json").read_text()))


def test_an_event_of_a_file_whose_number_the_pipe_for_the_answer_has_by_now_does_no_harm() -> None:
    """epoll_wait(2) returns several events at once. The first one here closes the file of the second one, and
    begins the proof, whose state and pipe get the numbers that are free."""
    loop = EventLoop()
    proof = Proof(loop)
    results: list[Failure | None] = []
    for_the_state = os.dup(0)
    second, to_second = os.pipe()
    first, to_first = os.pipe()

    def begin() -> None:
        loop.ignore(first)
        loop.ignore(second)
        os.close(second)
        os.close(for_the_state)
        proof.begin(STATE, results.append)
        assert os.readlink(f"/proc/self/fd/{second}").startswith("pipe:")

    loop.watch(first, begin)
    loop.watch(second, lambda: None)
    os.write(to_first, b"1")
    os.write(to_second, b"2")
    while not results:
        loop.turn()
    assert len(results) == 1
    os.waitpid(-1, 0)
    for file in (first, to_first, to_second):
        os.close(file)
