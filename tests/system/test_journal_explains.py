"""journalctl -x explains what calcd logs."""

from support.processes import wait_for
from system.service import HANDLER, LISTENER, SUPERVISOR, Service

from calcd.log import messages
from calcd.log.messages import Message

DIVISION_BY_ZERO = r"\3\0\0\0\1\0\0\0\0\0\0\0"
KINDS = {value.id: value for value in vars(messages).values() if isinstance(value, Message)}


def flowing(text: str) -> str:
    """Without line breaks, and the mark that journalctl puts before each line of an explanation."""
    return " ".join(text.replace("\N{LIGHT SHADE}", "").split())


def test_what_happens_to_a_calcd_is_explained_with_its_particulars(service: Service) -> None:
    machine = service.machine
    service.expected = [
        r"reload failed, .*",
        r"PidFile= has changed, .*",
        r"connection \d+ from \S+ ended after .* s: its handler \d+ died: killed by .*",
        r"the listener \d+ died: .*",
    ]
    service.start()
    assert service.answer() == "5"
    machine.run(f"exec 3<>/dev/tcp/127.0.0.1/7070; printf '{DIVISION_BY_ZERO}' >&3; cat <&3")
    talk = machine.spawn("exec 3<>/dev/tcp/127.0.0.1/7070; echo connected; cat <&3")
    assert talk.read_line() == "connected\n"
    wait_for(lambda: service.processes(HANDLER), "a handler")
    machine.run(f"kill -KILL {service.pid(HANDLER)}")
    wait_for(lambda: service.logged(messages.HANDLER_DIED), "the handler's end in the journal")
    machine.run(f"kill -KILL {service.pid(LISTENER)}")
    wait_for(lambda: service.logged(messages.LISTENER_DIED), "the listener's end in the journal")
    service.wait_until_serving()
    machine.run(f"kill -USR1 {service.pid(SUPERVISOR)}")
    wait_for(lambda: service.logged(messages.COUNTERS), "the counters in the journal")
    service.configure("[calcd]\nPidFile=/run/calcd/other.pid\n")
    machine.run(f"kill -HUP {service.pid(SUPERVISOR)}")
    wait_for(lambda: service.logged(messages.RELOADED), "the reload in the journal")
    service.configure("[calcd]\nDrainTime=soon\n")
    machine.run(f"kill -HUP {service.pid(SUPERVISOR)}")
    wait_for(lambda: service.logged(messages.RELOAD_FAILED), "the failed reload in the journal")
    service.configure("")
    machine.run("systemctl stop calcd.service calcd.socket")

    lines = [entry for entry in service.journal() if entry.get("MESSAGE_ID") in KINDS]
    assert {KINDS[line["MESSAGE_ID"]].subject for line in lines} >= {
        message.subject
        for message in (
            *(messages.STARTED, messages.CONNECTION_OPENED, messages.CONNECTION_ENDED, messages.HANDLER_DIED),
            *(messages.LISTENER_DIED, messages.COUNTERS, messages.NEEDS_RESTART, messages.RELOADED),
            *(messages.RELOAD_FAILED, messages.STOPPING, messages.STOPPED),
        )
    }
    explained = flowing(
        machine.output(f"journalctl -x -u calcd --no-pager --cursor='{lines[0]['__CURSOR']}'")
    )
    assert "@CALCD" not in explained
    assert explained.count("Defined-By: calcd ") == len(lines)
    for line in lines:
        message = KINDS[line["MESSAGE_ID"]]
        fields = {
            name.removeprefix("CALCD_").lower(): value
            for name, value in line.items()
            if name.startswith("CALCD_")
        }
        said = (
            f"Subject: {message.subject}",
            message.meaning.format_map(fields),
            message.remedy.format_map(fields),
        )
        for text in said:
            assert flowing(text) in explained
