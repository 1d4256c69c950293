"""What the processes of the service may do: as root sees it, and as one finds out that was taken over; and
that what calcd.service says of its sandbox is so."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from support import sandbox
from support.processes import wait_for
from support.system_calls import EPERM, EXECUTE, FORBIDDEN, KILLED, MAKE_SOCKET, OPEN
from system.machine import SOURCE, Background, Machine
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


# The comments of calcd.service, from "A user of its own" on: a test for each sentence ----------------------


@pytest.fixture(scope="module")
def inside(installed: Machine) -> dict[str, Any]:
    """What tests/support/sandbox.py finds in the service's place."""
    service = Service(installed)
    program = "/usr/share/sandbox.py"
    installed.run(f"cp {SOURCE}/tests/support/sandbox.py {program}")
    service.extend_unit("calcd.service", f"[Service]\nExecStartPre=/usr/bin/python3 -I {program}\n")
    service.start()
    (line,) = [entry["MESSAGE"] for entry in service.journal("_COMM=python3 + SYSLOG_IDENTIFIER=python3")]
    installed.run(f"rm {program}")
    service.close()
    found: dict[str, Any] = json.loads(line)
    return found


def test_it_has_a_user_of_its_own(inside: dict[str, Any], installed: Machine) -> None:
    ids = installed.output("id -u calcd; id -g calcd").split()
    assert [str(inside["user"]), str(inside["group"])] == ids


def test_it_may_write_to_one_directory(inside: dict[str, Any]) -> None:
    assert inside["writable folders"] == ["/run/calcd"]


def test_it_has_files_in_plenty_and_dumps_no_core(inside: dict[str, Any]) -> None:
    assert inside["limits"] == [[4096, 4096], [0, 0]]
    assert inside["mask"] == 0o77


def test_supervisor_and_listener_take_fewer_than_100_files(service: Service, talk: Background) -> None:
    for title in (SUPERVISOR, LISTENER):
        files = service.machine.output(f"ls /proc/{service.pid(title)}/fd").split()
        assert 3 < len(files) < 100
    assert talk.finish() == "4\n"


def test_it_sees_the_systems_programs_and_its_configuration_read_only(inside: dict[str, Any]) -> None:
    system = {"bin", "dev", "etc", "lib", "lib64", "proc", "root", "run", "sys", "tmp", "usr", "var"}
    assert set(inside["/"]) - {"home"} == system
    assert inside["/etc"] == ["calcd", "localtime"]
    assert set(inside["/run"]) - {"host"} == {"calcd", "systemd"}
    assert set(inside["mounted read-only"]) == set(sandbox.IT_SEES)


def test_it_sees_no_other_users_processes(inside: dict[str, Any]) -> None:
    assert inside["owners of processes"] == [inside["user"]]


def test_it_has_the_logs_sockets(inside: dict[str, Any]) -> None:
    assert {"dev-log", "socket", "stdout"} <= set(inside["the log's sockets"])
    assert inside["log"]


def test_it_executes_what_is_in_usr_and_nothing_that_it_could_write(inside: dict[str, Any]) -> None:
    assert inside["execute a program of the system"] == "done"
    assert inside["execute a file of its own"] == "EACCES"
    assert inside["map a file of its own as code"] == "EPERM"
    assert inside["execute a file in memory"] == "done"
    assert inside["map memory as code"] in ("EPERM", "EACCES")  # systemd 252's way, and the kernel's own


def test_an_upgrade_of_python_under_it_is_not_in_the_way_of_the_next_listener(service: Service) -> None:
    """dpkg renames a new file over the old one."""
    service.expected = [r"the listener \d+ died: killed by signal 9 .*"]
    service.start()
    listener = service.pid(LISTENER)
    for program in ("$(realpath /usr/bin/python3)", "/usr/bin/calcd"):
        service.machine.run(f"cp -p {program} {program}.dpkg-new; mv {program}.dpkg-new {program}")
    service.machine.run(f"kill -KILL {listener}")
    wait_for(lambda: service.logged(messages.LISTENER_DIED), "the end of the listener")
    assert service.answer() == "5"
    assert service.pid(LISTENER) != listener
    assert not service.logged(messages.LISTENER_FAILED)


def test_it_has_no_network(inside: dict[str, Any]) -> None:
    assert set(inside["make a socket"].values()) == {"EAFNOSUPPORT"}
    assert inside["interfaces"] == ["lo"]


def test_it_has_no_way_to_get_privileges(inside: dict[str, Any]) -> None:
    for attempt in ("make a setuid program", "give a file away", "leave its groups"):
        assert inside[attempt] == "EPERM", attempt
    assert inside["make a user namespace"] != 0


def test_it_has_no_devices_and_none_of_the_kernels_settings(inside: dict[str, Any]) -> None:
    assert set(inside["devices"]) <= {"full", "null", "ptmx", "random", "tty", "urandom", "zero"}
    assert not inside["a setting of the kernel's"]
    for attempt in ("set the clock", "set the host's name"):
        assert inside[attempt] == "EPERM", attempt


def test_it_shares_no_memory_with_other_services(inside: dict[str, Any], installed: Machine) -> None:
    assert inside["shared memory"] == inside["message queues"] == "EACCES"
    assert inside["namespace of IPC"] != installed.output("readlink /proc/1/ns/ipc")


def test_a_system_call_that_takes_privileges_or_resources_is_an_error(inside: dict[str, Any]) -> None:
    for attempt in ("change the root", "choose processors", "be in real time"):
        assert inside[attempt] == "EPERM", attempt


def test_it_may_believe_that_it_has_set_its_user(inside: dict[str, Any]) -> None:
    user, group = inside["user"], inside["group"]
    assert inside["identity after taking root's"] == [user, user, user, group, group, group]
