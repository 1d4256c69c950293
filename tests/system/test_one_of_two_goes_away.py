"""Three machines: HAProxy with the example's configuration, and two with calcd. What is lost when one of the
two goes away is what the table in docs/scaling.md says."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.daemon import TREE
from support.patience import patience
from support.processes import wait_for
from system.debian_clients import ROOTS
from system.haproxy import example, make_certificate, order, server_rows
from system.machine import COPY, COPY_TREE, SOURCE, SUITES, Machine
from system.network import Network
from system.service import MAIN_DIED, SUPERVISOR, Load, Service, load

from calcd.log import messages

DOCUMENT = (TREE / "docs/scaling.md").read_text()
DRAIN, IN_HAND, SHUT_DOWN = re.findall(r"(?m)^echo .*/admin.sock.*$", DOCUMENT)
# For each event, what is lost of requests and of open connections.
TABLE = {
    event: (requests, connections)
    for event, requests, connections in re.findall(
        r"(?m)^\| (.*) \| (0|at most one for each client) \| (0|its own) \|$", DOCUMENT
    )
}
FRONTEND = "192.0.2.10:7070"
CLIENTS = 8  # of each kind
# One source alone would be at its limit.
SOURCES = "198.51.100.0/24"
# The HAProxy of one release says who its clients are, and that of the other does not.
HEADER = {"bookworm": "", "trixie": "send-proxy-v2"}
# On a busy machine, all takes longer.
TIMES = {
    f"timeout {what} 500ms": f"timeout {what} {patience(0.5) * 1000:.0f}ms" for what in ("connect", "check")
}
NEWER = "99.0.0"


class Site:
    """HAProxy on one machine; m1 and m2 are on others, and what happens to one of the two happens to m1."""

    def __init__(self, balancer: Machine, network: Network, m1: Service, m2: Service, socket: str) -> None:
        self.balancer = balancer
        self.network = network
        self.m1, self.m2 = m1, m2
        self.socket = socket  # the unit of that which HAProxy connects to
        self._stats = Path(f"/proc/{balancer.leader}/root/run/haproxy/admin.sock")

    def figures(self, name: str) -> list[int]:
        """Of m1 and of m2."""
        return [int(row[name]) for row in server_rows(self._stats)]

    def state(self) -> str:
        """That of m1."""
        return server_rows(self._stats)[0]["status"]

    def wait_until_up(self) -> None:
        wait_for(lambda: {row["status"] for row in server_rows(self._stats)} == {"UP"}, "two good checks")

    def wait_for_clients(self) -> None:
        """Returns when both have had more of them."""
        before = self.figures("stot")
        wait_for(
            lambda: all(now > then + 20 for now, then in zip(self.figures("stot"), before, strict=True)),
            "more clients of both",
        )

    def connects_to_m1(self) -> bool:
        """Whether a client waits for a connection to it: "show sess" has 8 for one that is there."""
        sessions = order(self._stats, "show sess").splitlines()
        return any("srv=m1" in session and "scb=[8," not in session for session in sessions)

    def haproxy(self) -> str:
        """The process that serves new clients."""
        (pid,) = re.findall(r"(?m)^Pid: (\d+)$", order(self._stats, "show info"))
        return str(pid)

    def load(self, options: str = "") -> Load:
        return load(self.balancer, FRONTEND, f"--sources {SOURCES} --clients {CLIENTS} {options}")


class Clients:
    """Those that connect for each request, and those whose connection stays open."""

    def __init__(self, site: Site) -> None:
        wait_for(lambda: site.figures("scur") == [0, 0], "the end of all connections from before")
        self._staying = site.load("--stay busy")
        self.staying_on_m1, staying_on_m2 = site.figures("scur")
        assert self.staying_on_m1 and staying_on_m2
        self._storm = site.load()
        self._lost_connections: int | None = None

    def part(self) -> int:
        """Those that stay say goodbye. Returns how many could not."""
        if self._lost_connections is None:
            self._lost_connections = lost(self._staying)
        return self._lost_connections

    def finish(self) -> int:
        """Returns how many requests had no answer."""
        return lost(self._storm)


def lost(clients: Load) -> int:
    outcomes = clients.finish()
    return sum(outcomes.values()) - outcomes["ok"]


def set_up(service: Service, socket: str, address: str, setting: str) -> None:
    listen = f"ListenStream=\nListenStream={address}\nIPAddressAllow=192.0.2.10"
    service.extend_unit(socket, f"[Socket]\n{listen}\n")
    service.configure(f"[calcd]\n{setting}=192.0.2.10\n")
    service.machine.run(f"systemctl start {socket} calcd.service")


@pytest.fixture(scope="module", params=SUITES)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """HAProxy and m1 are of one release, m2 is of the other."""
    suite, (other,) = request.param, set(SUITES) - {request.param}
    header = HEADER[suite]
    socket, port, setting = (
        ("calcd-proxied.socket", 7071, "ProxySources") if header else ("calcd.socket", 7070, "ExemptSources")
    )
    addresses = [f"192.0.2.{number}" for number in (11, 12)]
    servers = {f"{address}:7070": f"{address}:{port} {header}" for address in addresses}
    folder = tmp_path_factory.mktemp("certificate")
    make_certificate(folder)
    with Machine(suite, root=ROOTS[suite]) as balancer, Machine(suite) as one, Machine(other) as two:
        machines = one, two
        installations = [
            machine.spawn(f"{COPY_TREE}; make -C {COPY} install PREFIX=/usr") for machine in machines
        ]
        network = Network(balancer, "192.0.2.10/24")
        for name, machine, address in zip(("m1", "m2"), machines, addresses, strict=True):
            network.join(machine, name, f"{address}/24")
        balancer.run(f"ip link set lo up; ip route add local {SOURCES} dev lo")
        balancer.run("cat >/etc/haproxy/calcd.pem", stdin=(folder / "calcd.pem").read_text())
        balancer.run("cat >/etc/haproxy/haproxy.cfg", stdin=example({**servers, **TIMES}))
        balancer.run(
            f"cp -r {SOURCE}/packaging/examples/haproxy.service.d /etc/systemd/system; "
            "systemctl daemon-reload; systemctl restart haproxy"
        )
        for installation in installations:
            installation.finish()
        m1, m2 = Service(one), Service(two)
        for service, address in zip((m1, m2), addresses, strict=True):
            set_up(service, socket, f"{address}:{port}", setting)
        site = Site(balancer, network, m1, m2, socket)
        site.wait_until_up()
        yield site
        m1.close()
        m2.close()


# --- What happens


def restart(site: Site, _: Clients) -> None:
    site.m1.machine.run("systemctl restart calcd")


def reload(site: Site, _: Clients) -> None:
    site.m1.machine.run("systemctl reload calcd")


def drain_and_stop(site: Site, clients: Clients) -> None:
    site.balancer.run(DRAIN)
    wait_for(lambda: site.figures("scur")[0] == clients.staying_on_m1, "the end of all that do not stay")
    clients.part()
    wait_for(lambda: site.balancer.output(IN_HAND) == "0", "the end of those that stayed")
    units = f"{site.socket} calcd.service"
    site.m1.machine.run(f"systemctl stop {units}")
    wait_for(lambda: site.state() == "DOWN", "the stop to be seen")
    site.m1.machine.run(f"systemctl start {units}")
    wait_for(lambda: site.state() == "DRAIN", "the start to be seen")
    site.balancer.run(DRAIN.replace("drain", "ready"))


def upgrade_both(site: Site, _: Clients) -> None:
    install = f"sed -i 's/^__version__ = .*/__version__ = \"{NEWER}\"/' /usr/lib/calcd/calcd/__init__.py"
    for service in (site.m1, site.m2):
        service.machine.run(f"{install}; calcd --upgrade")
        assert service.logged(messages.UPGRADED)[-1]["CALCD_VERSION"] == NEWER
        site.wait_for_clients()


def kill_the_supervisor(site: Site, _: Clients) -> None:
    site.m1.expected += MAIN_DIED
    site.m1.machine.run(f"kill -KILL {site.m1.pid(SUPERVISOR)}")


def kill_all(site: Site, _: Clients) -> None:
    site.m1.expected += MAIN_DIED
    site.m1.machine.run("systemctl kill --signal=KILL calcd")


def lose_the_machine(site: Site, _: Clients) -> None:
    """Nothing comes from it any more, as from one without power."""
    site.m1.expected.append("connection of the proxy .* closed: ProxyTimeout= was over before .*")
    site.network.cut("m1")
    wait_for(lambda: site.state() == "DOWN", "the loss to be seen")
    # Those HAProxy 3.0.11 would leave waiting for ever.
    wait_for(lambda: not site.connects_to_m1(), "the end of all that are not connected")
    site.balancer.run(SHUT_DOWN)
    wait_for(lambda: site.figures("scur")[0] == 0, "the end of its connections")
    site.network.mend("m1")


def reload_haproxy(site: Site, _: Clients) -> None:
    """It forgets nothing that it was told, either."""
    site.balancer.run(DRAIN)
    before = site.haproxy()
    site.balancer.run("systemctl reload haproxy")
    wait_for(lambda: site.haproxy() != before, "another process")
    assert site.state() == "DRAIN"
    site.balancer.run(DRAIN.replace("drain", "ready"))


EVENTS: dict[str, Callable[[Site, Clients], None]] = {
    "One is restarted by systemd, which keeps its sockets": restart,
    "One is reloaded": reload,
    "One is drained in HAProxy, stopped with its sockets, and started again": drain_and_stop,
    "One is upgraded, and then the other one": upgrade_both,
    "HAProxy is reloaded": reload_haproxy,
    "The supervisor of one is killed by kill -9": kill_the_supervisor,
    "All processes of one are killed by kill -9": kill_all,
    "The machine of one is gone, and HAProxy is told, see below": lose_the_machine,
}


@pytest.mark.parametrize("event", EVENTS)
def test_no_more_is_lost_than_the_documents_say(event: str, site: Site) -> None:
    assert EVENTS.keys() == TABLE.keys()
    requests, connections = TABLE[event]
    clients = Clients(site)
    site.wait_for_clients()
    EVENTS[event](site, clients)
    site.wait_until_up()
    site.wait_for_clients()
    assert clients.part() == (0 if connections == "0" else clients.staying_on_m1)
    assert clients.finish() <= (0 if requests == "0" else CLIENTS)
