"""What the processes of the service may do: as root sees it, and as one finds out that was taken over."""

import re
from collections.abc import Iterator

import pytest
from support.processes import wait_for
from support.system_calls import EPERM, EXECUTE, FORBIDDEN, KILLED, MAKE_SOCKET, OPEN
from system.machine import SOURCE, Background
from system.service import HANDLER, LISTENER, SUPERVISOR, Service

from calcd.log import messages

STOPPED = r"connection \d+ from \S+ ended .*: killed by signal 31 \(SIGSYS\): it tried a system call .*"
# What is in it for a handler: its own filter, and the listener's. systemd's are a number that it decides on.
OWN_FILTERS = {SUPERVISOR: 0, LISTENER: 1, HANDLER: 2}
FIELDS = ("Uid", "Gid", "Groups", "NoNewPrivs", "Seccomp", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


@pytest.fixture
def talk(service: Service) -> Iterator[Background]:
    """A connection that has a handler."""
    service.start()
    talk = service.machine.spawn("(echo 1 + 1; read _; echo 2 + 2) | calc-client")
    assert talk.read_line() == "2\n"
    yield talk


def status(service: Service, pid: int, field: str) -> str:
    return service.machine.output(f"sed -n 's/^{field}:[[:space:]]*//p' /proc/{pid}/status")


def inject(service: Service, pid: int, call: str) -> str:
    program = "/tmp/system_call"
    service.machine.run(f"[ -e {program} ] || gcc -o {program} {SOURCE}/tests/c/system_call.c")
    return service.machine.output(f"{program} {pid} {call}")


def test_each_process_has_the_rights_that_the_table_in_the_documents_says(
    service: Service, talk: Background
) -> None:
    user, group = service.machine.output("id -u calcd; id -g calcd").split()
    outside = int(status(service, service.pid(SUPERVISOR), "Seccomp_filters"))
    for title, own_filters in OWN_FILTERS.items():
        pid = service.pid(title)
        found = {field: status(service, pid, field).split() for field in FIELDS}
        assert found["Uid"] == [user] * 4, title
        assert found["Gid"] == [group] * 4, title
        assert found["Groups"] == [group], title
        assert found["NoNewPrivs"] == ["1"], title
        assert found["Seccomp"] == ["2"], title
        assert int(status(service, pid, "Seccomp_filters")) == outside + own_filters
        for field in FIELDS[5:]:
            assert found[field] == ["0" * 16], (title, field)
    assert talk.finish() == "4\n"


def test_no_memory_is_ever_writable_and_executable_not_even_the_copy_of_the_interpreter(
    service: Service, talk: Background
) -> None:
    for title in OWN_FILTERS:
        maps = service.machine.output(f"cat /proc/{service.pid(title)}/maps")
        permissions = {line.split()[1] for line in maps.splitlines()}
        assert {"r--p", "r-xp"} <= permissions
        assert not [p for p in permissions if "w" in p and "x" in p], title
        copy = re.findall(r"(\S+) \S+ \S+ \S+ +/memfd:python's text", maps)
        assert copy == ([] if title == SUPERVISOR else ["r-xp"]), title
    assert talk.finish() == "4\n"


@pytest.mark.parametrize("call", FORBIDDEN.values(), ids=FORBIDDEN)
def test_a_handler_that_tries_more_than_its_work_is_killed_and_the_journal_says_so(
    service: Service, talk: Background, call: str
) -> None:
    service.expected = [STOPPED]
    handler = service.pid(HANDLER)
    assert inject(service, handler, call) == KILLED
    wait_for(lambda: service.logged(messages.HANDLER_STOPPED), "a line in the journal")
    (entry,) = service.logged(messages.HANDLER_STOPPED)
    assert entry["CALCD_HANDLER"] == str(handler)
    assert entry["PRIORITY"] == "3"
    assert service.answer() == "5"
    talk.abandon()


def test_the_listener_is_refused_more_than_its_work_and_serves_on(service: Service) -> None:
    service.start()
    listener = service.pid(LISTENER)
    for call in (OPEN, MAKE_SOCKET, EXECUTE):
        assert inject(service, listener, call) == EPERM, call
    assert service.answer() == "5"
    assert service.pid(LISTENER) == listener


def test_without_libseccomps_bindings_it_serves_and_says_so(service: Service) -> None:
    service.expected = [r"listener and handlers may make any system call, because .*"]
    library = service.machine.output("python3 -c 'import seccomp; print(seccomp.__file__)'")
    service.machine.run(f"mv {library} {library}.away")
    try:
        service.start()
        service.machine.run("systemctl reload calcd")
        assert service.answer() == "5"
    finally:
        service.machine.run(f"mv {library}.away {library}")
    (entry,) = service.logged(messages.UNCONFINED)
    assert "apt-get install python3-seccomp" in entry["MESSAGE"]
    service.machine.run("systemctl restart calcd")
    assert service.answer() == "5"
    assert len(service.logged(messages.UNCONFINED)) == 1


def test_started_as_root_the_service_runs_as_its_user_and_only_that(service: Service) -> None:
    """Without User= in the unit: calcd itself gives root up. By a number: it sees no /etc/passwd."""
    user = service.machine.output("id -u calcd")
    service.configure(f"[calcd]\nUser={user}\n")
    service.extend_unit(
        "calcd.service",
        "[Service]\nUser=\nGroup=\nPrivateUsers=no\nCapabilityBoundingSet=CAP_SETUID CAP_SETGID CAP_SETPCAP "
        "CAP_CHOWN\nSystemCallFilter=@setuid @privileged\n",
    )
    service.start()
    assert service.answer() == "5"
    for title in (SUPERVISOR, LISTENER):
        pid = service.pid(title)
        assert status(service, pid, "Uid").split() == [user] * 4
        for field in FIELDS[5:]:
            assert status(service, pid, field) == "0" * 16, (title, field)
