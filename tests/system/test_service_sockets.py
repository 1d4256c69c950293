"""Where clients connect: the sockets of calcd.socket, whatever becomes of the service."""

from support.processes import wait_for
from system.service import FAILED_START, MAIN_DIED, SUPERVISOR, Service

from calcd.log import messages

UNIX = "unix:/run/calcd/calcd.sock"
OWNERS = "stat -c '%n %U:%G %a' /run/calcd /run/calcd/calcd.sock"


def count(service: Service, beginning: str) -> int:
    """The lines of its log that begin like this."""
    return len([entry for entry in service.journal() if entry["MESSAGE"].startswith(beginning)])


def test_a_unix_socket_of_the_unit_outlives_the_service_and_refuses_nobody(service: Service) -> None:
    service.expected = [*MAIN_DIED]
    service.use_example("calcd.socket.d/unix-socket.conf")
    service.extend_unit("calcd.socket", "[Socket]\nSocketGroup=adm\nSocketMode=0660\n")
    service.extend_unit("calcd.service", "[Service]\nRestartSec=100ms\n")
    service.machine.run("systemctl start calcd.socket")
    at_first = service.machine.output(OWNERS)
    load = service.load(UNIX)
    for _ in range(2):
        for way in ("restart", "stop"):
            service.machine.run(f"systemctl {way} calcd.service")
            service.wait_for_another_connection()
    assert set(load.finish()) == {"ok"}
    supervisor = service.pid(SUPERVISOR)
    service.machine.run(f"kill -KILL {supervisor}")
    assert service.machine.output(f"calc-client --timeout 60 --server {UNIX} add 2 3") == "5"
    assert service.pid(SUPERVISOR) != supervisor
    assert service.machine.output(OWNERS) == at_first
    assert at_first == "/run/calcd calcd:calcd 755\n/run/calcd/calcd.sock root:adm 660"


def test_the_folder_of_the_sockets_goes_with_the_unit_and_the_service_with_both(service: Service) -> None:
    service.use_example("calcd.socket.d/unix-socket.conf")
    service.start()
    service.machine.run("systemctl restart calcd.socket")
    assert service.machine.output(f"calc-client --server {UNIX} add 2 3") == "5"
    service.machine.run("systemctl stop calcd.socket")
    wait_for(lambda: service.show("ActiveState") == "inactive", "the end of the service")
    assert service.machine.run("ls -d /run/calcd", check=False).stdout == ""


def test_both_lines_for_every_address_go_together_and_the_second_is_for_ipv6_alone(service: Service) -> None:
    service.use_example("calcd.socket.d/every-address.conf")
    service.start()
    for address in ("127.0.0.1", "[::1]"):
        assert service.machine.output(f"calc-client --server {address}:7070 add 2 3") == "5"
    service.extend_unit("calcd.socket", "[Socket]\nListenStream=\nListenStream=7070\n")
    service.machine.run("systemctl restart calcd.socket")
    assert service.machine.output("calc-client --server [::1]:7070 add 2 3") == "5"
    refused = service.machine.run("calc-client --server 127.0.0.1:7070 add 2 3", check=False)
    assert "Connection refused" in refused.stderr


def test_the_name_of_the_socket_says_which_protocols_are_spoken(service: Service) -> None:
    ask = "redis-cli -p 7070 ADD 2 3; calc-client --classic mul 6 7"
    service.machine.run("systemctl start calcd.socket")
    assert service.machine.output(ask) == "5\n42"
    service.use_example("calcd.socket.d/resp-alone.conf")
    service.machine.run("systemctl restart calcd.socket")
    asked = service.machine.run(ask, check=False)
    assert asked.stdout == "5\n"
    assert asked.returncode != 0
    wait_for(lambda: service.logged(messages.STRANGER), "a line about a stranger")
    (line,) = service.logged(messages.STRANGER)
    assert "a classic request, which is not spoken here" in line["MESSAGE"]


def test_an_address_that_comes_later_is_listened_at_from_the_start(service: Service) -> None:
    service.use_example("calcd.socket.d/later-address.conf")
    service.machine.run("systemctl start calcd.socket")
    service.machine.run("ip address add 192.0.2.1/32 dev lo")
    try:
        assert service.machine.output("calc-client --server 192.0.2.1:7070 add 2 3") == "5"
    finally:
        service.machine.run("ip address del 192.0.2.1/32 dev lo")


def test_however_often_the_socket_is_restarted_the_port_is_open(service: Service) -> None:
    for _ in range(10):
        service.machine.run("systemctl restart calcd.socket")
    assert service.answer() == "5"


def test_a_service_that_ends_again_and_again_is_started_until_it_serves_and_the_client_waits(
    service: Service,
) -> None:
    # As it is changed, a start that is under way fails.
    service.expected = [r"calcd.service: Failed with result 'protocol'.", FAILED_START[1]]
    service.extend_unit("calcd.service", "[Service]\nType=oneshot\nExecStart=\nExecStart=/usr/bin/true\n")
    # In a time in which also a busy machine gets to more than the default's 20.
    service.extend_unit("calcd.socket", "[Socket]\nTriggerLimitIntervalSec=60s\n")
    service.machine.run("systemctl start calcd.socket")
    waiting = service.machine.spawn("calc-client --timeout 60 add 2 3")
    wait_for(lambda: count(service, "Finished ") > 22, "22 starts of the service")
    service.machine.run("rm /etc/systemd/system/calcd.service.d/test.conf; systemctl daemon-reload")
    assert waiting.finish() == "5\n"


def test_a_service_that_cannot_be_tried_is_the_end_of_the_socket_and_not_of_the_journal(
    service: Service,
) -> None:
    service.extend_unit("calcd.service", "[Unit]\nConditionPathExists=/nowhere\n")
    service.machine.run("systemctl start calcd.socket")
    refused = service.machine.run("calc-client --timeout 60 add 2 3", check=False)
    assert refused.returncode != 0
    assert service.machine.show("calcd.socket", "Result") == "trigger-limit-hit"
    assert service.machine.journal("--unit=calcd.socket --grep='Trigger limit hit, refusing'")
    assert 0 < count(service, "calcd.service - Network calculator") <= 200
    service.machine.run("rm /etc/systemd/system/calcd.service.d/test.conf; systemctl daemon-reload")
    service.start()
    assert service.answer() == "5"


def test_the_other_sockets_come_and_go_with_it_and_may_be_in_its_folder(service: Service) -> None:
    """Else whoever connects to one of them would start a calcd that was stopped."""
    others = "calcd-proxied.socket calcd-metrics.socket"
    proxied, metrics = "/run/calcd/proxied.sock", "/run/calcd/metrics.sock"
    service.extend_unit("calcd-proxied.socket", f"[Socket]\nListenStream=\nListenStream={proxied}\n")
    service.extend_unit("calcd-metrics.socket", f"[Socket]\nListenStream=\nListenStream={metrics}\n")
    try:
        service.machine.run(f"systemctl start {others} calcd.service")
        for verb in ("start", "restart"):
            service.machine.run(f"systemctl {verb} calcd.socket; systemctl start {others} calcd.service")
            assert service.answer() == "5"
            asked = f"printf 'PROXY UNKNOWN\\r\\nADD 2 3\\r\\n' | nc -N -U {proxied}"
            assert service.machine.output(asked) == ":5"
            scrape = f"printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' | nc -N -U {metrics}"
            assert "calcd_connections" in service.machine.output(scrape)
        service.machine.run("systemctl stop calcd.socket")
        wait_for(lambda: service.show("ActiveState") == "inactive", "the end of the service")
        for unit in others.split():
            assert service.machine.show(unit, "ActiveState") == "inactive"
        assert service.machine.run("ls -d /run/calcd", check=False).stdout == ""
    finally:
        service.machine.run(f"systemctl stop {others}")
