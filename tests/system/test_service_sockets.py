"""Where clients connect: the sockets of calcd.socket, whatever becomes of the service."""

from support.processes import wait_for
from system.service import MAIN_DIED, SUPERVISOR, Service

UNIX = "unix:/run/calcd/calcd.sock"
OWNERS = "stat -c '%n %U:%G %a' /run/calcd /run/calcd/calcd.sock"


def test_a_unix_socket_of_the_unit_outlives_the_service_and_refuses_nobody(service: Service) -> None:
    service.expected = [*MAIN_DIED]
    service.use_example("calcd.socket.d/unix-socket.conf")
    service.extend_unit("calcd.socket", "[Socket]\nSocketGroup=adm\nSocketMode=0660\n")
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
