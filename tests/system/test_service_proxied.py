"""calcd-proxied.socket: enabled while calcd serves, by the one command that calcd.conf(5) names."""

import re

import pytest
from support.daemon import TREE
from support.processes import wait_for
from system.machine import CommandError
from system.service import Service

from calcd.log import messages

MANUAL = (TREE / "packaging/man/calcd.conf.5.in").read_text().replace("\\-", "-")
(COMMAND,) = re.findall(r"(?m)^\.Dl (systemctl enable calcd-proxied.*)$", MANUAL)
# A proxy for one client, without redis-tools: it prints what calcd answers.
ASK = (
    'python3 -c \'import socket; c = socket.create_connection(("127.0.0.1", 7071), 60); '
    'c.sendall(b"PROXY TCP4 192.0.2.1 192.0.2.9 1234 7070\\r\\nADD 2 3\\r\\nQUIT\\r\\n"); '
    "print(c.makefile().read().split())'"
)


def test_it_is_not_enabled_where_nobody_has_asked_for_it(service: Service) -> None:
    service.start()
    state = service.machine.run("systemctl is-enabled calcd-proxied.socket", check=False).stdout
    assert state == "disabled\n"
    with pytest.raises(CommandError, match="Connection refused"):
        service.machine.output(ASK)


def test_one_command_enables_it_while_calcd_serves_and_no_client_is_refused(service: Service) -> None:
    service.start()
    load = service.load()
    service.wait_for_another_connection()
    service.machine.run(COMMAND)
    assert service.machine.output(ASK) == "[':5', '+OK']"
    service.wait_for_another_connection()
    assert set(load.finish()) == {"ok"}
    assert service.answer() == "5"
    assert service.machine.output("systemctl is-enabled calcd-proxied.socket") == "enabled"


def test_the_journal_has_the_client_for_the_peer_and_the_proxy_beside_it(service: Service) -> None:
    service.start()
    service.machine.run(COMMAND)
    assert service.machine.output(ASK) == "[':5', '+OK']"
    assert service.answer() == "5"
    wait_for(lambda: len(service.logged(messages.CONNECTION_ENDED)) == 2, "both connections' ends")
    for kind in (messages.CONNECTION_OPENED, messages.CONNECTION_ENDED):
        by_proxy, direct = service.logged(kind)
        assert by_proxy["CALCD_PEER"] == "192.0.2.1:1234"
        assert by_proxy["CALCD_PROXY"].startswith("127.0.0.1:")
        assert "CALCD_PROXY" not in direct
