"""LogTarget=json: each line on standard error is an object with the fields of the journal."""

import datetime
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

from support.daemon import Calcd, ask
from support.processes import wait_for

from calcd.log import messages
from calcd.protocol.classic import Operation

JSON = ("--log-target", "json")
FAILED = r"reload failed, the old settings stay in force: .*"
# Writes whole lines to standard error, like a listener that has something to say, and leaves gaps for others.
CHATTER = "import os, time\nwhile True: os.write(2, b'x' * 99 + b'\\n'); time.sleep(0.001)"


def entries(calcd: Calcd) -> list[dict[str, str]]:
    return [json.loads(line) for line in calcd.log_file.read_text().splitlines()]


def test_a_line_has_the_fields_of_the_journal_and_the_time(tmp_path: Path) -> None:
    begin = datetime.datetime.now(datetime.UTC)
    with Calcd(tmp_path, *JSON) as calcd:
        with calcd.connect() as connection:
            assert ask(connection, Operation.ADD, 2, 3) == 5
            peer = "{}:{}".format(*connection.getsockname())
        calcd.wait_for_log("connection 1 from .* ended .*")
        end = datetime.datetime.now(datetime.UTC)
        started, opened, ended = entries(calcd)
        times = [datetime.datetime.fromisoformat(entry["TIME"]) for entry in (started, opened, ended)]
        assert begin <= times[0] <= times[1] <= times[2] <= end
        assert opened == {
            "TIME": opened["TIME"],
            "MESSAGE": f"connection 1 from {peer} opened, handler {opened['CALCD_HANDLER']}",
            "MESSAGE_ID": messages.CONNECTION_OPENED.id,
            "PRIORITY": "6",
            "SYSLOG_IDENTIFIER": "calcd",
            "SYSLOG_FACILITY": "3",
            "CALCD_SESSION": "1",
            "CALCD_PEER": peer,
            "CALCD_HANDLER": opened["CALCD_HANDLER"],
        }
        assert ended["CALCD_ENDING"] == "closed by client"
        assert (ended["CALCD_REQUESTS"], ended["CALCD_PROTOCOL"]) == ("1", "classic")
    assert [entry["MESSAGE_ID"] for entry in entries(calcd)[-2:]] == [
        messages.STOPPING.id,
        messages.STOPPED.id,
    ]


def test_whatever_is_in_a_message_it_is_one_line_of_valid_json(tmp_path: Path) -> None:
    """Quotation marks, control characters, letters of all kinds, and a byte that is no UTF-8."""
    with Calcd(tmp_path, *JSON) as calcd:
        calcd.expected.append(FAILED)
        drop_ins = Path(f"{calcd.config}.d")
        drop_ins.mkdir()
        odd = drop_ins / os.fsdecode(b'caf\xc3\xa9 "\t\xff.conf')
        odd.write_text("[calcd]\nnothing\n")
        calcd.signal(signal.SIGHUP)
        calcd.wait_for_log(FAILED)
        assert entries(calcd)[-1]["CALCD_REASON"].startswith(f'{drop_ins}/café "\t\\udcff.conf:2: ')
        odd.unlink()
        drop_ins.rmdir()


def test_a_line_that_a_pipe_would_not_take_at_once_is_shortened_and_no_other_process_gets_into_it(
    tmp_path: Path,
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, select.PIPE_BUF)  # so that others get in between two writes
    folder = tmp_path / "calcd"
    folder.mkdir()
    prefix = ("sh", "-c", f'exec "$@" 2>{pipe}', "sh")
    address = f"unix:{tmp_path / 'socket'}"
    received = bytearray()

    def has_failed_reloads(times: int) -> bool:
        if select.select([reader], [], [], 0)[0]:
            received.extend(os.read(reader, 1 << 20))
        return received.count(messages.RELOAD_FAILED.id.encode()) >= times

    with Calcd(folder, *JSON, listen=[address], prefix=prefix) as calcd:
        calcd.config.write_text("[calcd]\n" + "".join(f"No{n}=1\n" for n in range(200)))
        with pipe.open("wb") as stderr:
            chatter = subprocess.Popen([sys.executable, "-c", CHATTER], stderr=stderr)
        for times in range(1, 11):
            calcd.signal(signal.SIGHUP)
            wait_for(partial(has_failed_reloads, times), "a reload that has failed")
        chatter.kill()
        chatter.wait()
        calcd.stop()
    os.close(reader)
    *lines, _ = received.decode().split("\n")  # behind the last line is a part of one, or nothing
    lines = [line for line in lines if line != "x" * 99]
    failed = [entry for entry in map(json.loads, lines) if entry["MESSAGE_ID"] == messages.RELOAD_FAILED.id]
    assert max(map(len, lines)) < select.PIPE_BUF
    assert len(failed) == 10
    for entry in failed:
        assert f"{calcd.config}:2: unknown setting 'No0'" in entry["CALCD_REASON"]
        assert entry["CALCD_REASON"].endswith("...")
        assert entry["MESSAGE"].endswith("...")
