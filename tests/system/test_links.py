"""A configuration that is a symbolic link: the service sees another file system than its administrator."""

from system.service import FAILED_START, Service

CONF = "/etc/calcd/calcd.conf"
SAID = (
    "it is a symbolic link to /srv/calcd/calcd.conf, and the shipped unit shows /etc/calcd and /usr alone to "
    "the service; put the file itself there"
)


def test_a_link_out_of_what_the_service_sees_is_told_by_check_and_by_the_service(service: Service) -> None:
    """Nothing is ignored: a service does not run with the defaults where a configuration was meant."""
    machine = service.machine
    service.expected += [rf"calcd: {CONF}: cannot be read: .*", *FAILED_START]
    machine.run(f"mkdir /srv/calcd; mv {CONF} /srv/calcd/; ln -s /srv/calcd/calcd.conf {CONF}")
    try:
        said = SAID.removeprefix("it ")
        assert machine.run("calcd --check").stderr == f"calcd: warning: {CONF} {said}\n"
        assert machine.run("systemctl start calcd", check=False).returncode != 0
        assert service.show("ExecMainStatus") == "78"
        logged = [entry["MESSAGE"] for entry in service.journal()]
        assert f"calcd: {CONF}: cannot be read: No such file or directory: {SAID}" in logged
    finally:
        machine.run(f"systemctl stop calcd; mv /srv/calcd/calcd.conf {CONF}; rmdir /srv/calcd")


def test_a_reload_with_such_a_link_fails_and_the_service_serves_on(service: Service) -> None:
    machine = service.machine
    service.expected += [rf"calcd: {CONF}: cannot be read: .*", "Reload failed for calcd.service - .*"]
    service.start()
    machine.run(f"mkdir /srv/calcd; mv {CONF} /srv/calcd/; ln -s /srv/calcd/calcd.conf {CONF}")
    try:
        assert machine.run("systemctl reload calcd", check=False).returncode != 0
        assert service.answer() == "5"
    finally:
        machine.run(f"mv /srv/calcd/calcd.conf {CONF}; rmdir /srv/calcd; systemctl stop calcd")


def test_an_instance_is_told_of_such_a_link_as_the_service_is(service: Service) -> None:
    machine = service.machine
    blue = "/etc/calcd/blue.conf"
    machine.run(
        f"mkdir /srv/calcd; echo '[calcd]' >/srv/calcd/calcd.conf; ln -s /srv/calcd/calcd.conf {blue}"
    )
    try:
        said = machine.run(f"calcd --config {blue} --check").stderr
        assert said == f"calcd: warning: {blue} {SAID.removeprefix('it ')}\n"
        assert machine.run("systemctl start calcd@blue", check=False).returncode != 0
        logged = [entry["MESSAGE"] for entry in machine.journal("--unit=calcd@blue")]
        assert f"calcd: {blue}: cannot be read: No such file or directory: {SAID}" in logged
    finally:
        machine.run(
            f"systemctl stop calcd@blue calcd@blue.socket; systemctl reset-failed; rm -r /srv/calcd {blue}"
        )


def test_where_the_folder_leads_nowhere_check_says_so(service: Service) -> None:
    """The service finds no such folder, and cannot tell that from no configuration."""
    machine = service.machine
    machine.run("mv /etc/calcd /srv/away; ln -s /srv/calcd /etc/calcd")
    try:
        checked = machine.run("calcd --check", check=False)
        assert checked.returncode == 78
        assert checked.stderr == (
            "calcd: /etc/calcd: cannot be read: No such file or directory: it is a symbolic link to "
            "/srv/calcd\n"
        )
        service.start()
        assert service.answer() == "5"
    finally:
        machine.run("systemctl stop calcd; rm /etc/calcd; mv /srv/away /etc/calcd")


def test_a_folder_that_is_a_link_is_followed_by_the_service_as_well(service: Service) -> None:
    machine = service.machine
    machine.run("mv /etc/calcd /srv/calcd; ln -s /srv/calcd /etc/calcd")
    try:
        service.configure("[calcd]\nMaxRequests=1\n")
        assert machine.run("calcd --check").stderr == ""
        service.start()
        assert service.answer() == "5"
        assert "MaxRequests= is reached" in machine.output("printf 'PING\\nPING\\n' | nc -N 127.0.0.1 7070")
    finally:
        machine.run("systemctl stop calcd; rm /etc/calcd; mv /srv/calcd /etc/calcd")
