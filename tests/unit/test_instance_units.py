"""An instance is what the service is: calcd@.service is made of calcd.service."""

import subprocess
from pathlib import Path

UNITS = Path(__file__).parents[2] / "packaging" / "systemd"
Settings = set[tuple[str, str]]
# What differs: names and places, and that no socket is in an instance's runtime directory.
SERVICE = {
    ("Description", "Network calculator"),
    ("Requires", "calcd.socket"),
    ("After", "calcd.socket"),
    ("PIDFile", "/run/calcd/calcd.pid"),
    ("ExecStart", "/usr/bin/calcd"),
    ("ExecReload", "/usr/bin/calcd --reload"),
    ("RuntimeDirectory", "calcd"),
    ("RuntimeDirectoryPreserve", "yes"),
    ("NoExecPaths", "+/ +/run +/run/calcd +/tmp +/var/tmp -+/etc/calcd"),
    ("WantedBy", "multi-user.target"),
}
OPTIONS = "--config /etc/calcd/%i.conf --pidfile /run/calcd@%i/calcd.pid"
INSTANCE = {
    ("Description", "Network calculator %i"),
    ("PartOf", "calcd.target"),
    ("Requires", "calcd@%i.socket"),
    ("After", "calcd@%i.socket"),
    ("PIDFile", "/run/calcd@%i/calcd.pid"),
    ("ExecStart", f"/usr/bin/calcd {OPTIONS}"),
    ("ExecReload", f"/usr/bin/calcd {OPTIONS} --reload"),
    ("RuntimeDirectory", "calcd@%i"),
    ("NoExecPaths", "+/ +/run +/run/calcd@%i +/tmp +/var/tmp -+/etc/calcd"),
    ("WantedBy", "multi-user.target calcd.target"),
}
# What a socket unit of calcd has to have.
EACH_SOCKET = {
    ("StartLimitIntervalSec", "0"),
    ("TriggerLimitIntervalSec", "2s"),
    ("TriggerLimitBurst", "200"),
    ("BindIPv6Only", "ipv6-only"),
    ("IPAddressDeny", "any"),
    ("IPAddressAllow", "localhost"),
}


def settings(unit: str) -> Settings:
    lines = [line.partition("=") for line in unit.splitlines() if "=" in line and not line.startswith("#")]
    return {(name, value) for name, _, value in lines}


def read(name: str) -> Settings:
    return settings((UNITS / name).read_text())


def test_an_instance_has_every_setting_of_the_service_but_names_and_places() -> None:
    service = UNITS / "calcd.service"
    made = subprocess.run(
        ["sed", "-f", str(UNITS / "instance.sed"), str(service)], capture_output=True, text=True, check=True
    )
    assert read("calcd.service") - settings(made.stdout) == SERVICE
    assert settings(made.stdout) - read("calcd.service") == INSTANCE
    assert [line for line in made.stdout.splitlines() if "calcd.socket" in line] == []


def test_the_sockets_of_instances_have_the_limits_of_the_others() -> None:
    for name in ("calcd.socket", "calcd@.socket", "calcd-metrics.socket", "calcd-proxied.socket"):
        assert EACH_SOCKET - read(name) == set(), name
    assert ("FileDescriptorName", "calcd") in read("calcd.socket") & read("calcd@.socket")


def test_the_addresses_of_all_sockets_differ_so_that_all_can_be_enabled() -> None:
    files = [*UNITS.glob("*.socket"), *UNITS.parent.glob("examples/calcd@.socket.d/*.conf")]
    streams = [
        value for file in files for name, value in settings(file.read_text()) if name == "ListenStream"
    ]
    addresses = [stream for stream in streams if stream]
    assert len(addresses) >= len(files)
    assert len(set(addresses)) == len(addresses)
