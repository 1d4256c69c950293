"""A network between machines. It lies in their own network namespaces, and nothing of it on the host."""

import subprocess

from system.machine import Machine

_BRIDGE = "bridge"


class Network:
    """One of the machines is the bridge between them all: a cable leads from it to each of the others."""

    def __init__(self, hub: Machine, address: str) -> None:
        """The addresses are IPv4, with the length of the prefix."""
        self._hub = hub
        hub.run(f"ip link add {_BRIDGE} up type bridge; ip address add {address} dev {_BRIDGE}")

    def join(self, machine: Machine, cable: str, address: str) -> None:
        """cable is its name, for cut and mend."""
        ends = f"{cable} master {_BRIDGE} up type veth peer name eth0 netns {machine.leader}"
        # From outside of the hub's PID namespace, in which the other machine's process has no number.
        enter = ["nsenter", "-t", str(self._hub.leader), "-n"]
        subprocess.run([*enter, "ip", "link", "add", *ends.split()], check=True)
        machine.run(f"ip address add {address} dev eth0; ip link set eth0 up")

    def cut(self, cable: str) -> None:
        self._hub.run(f"ip link set {cable} down")

    def mend(self, cable: str) -> None:
        self._hub.run(f"ip link set {cable} up")
