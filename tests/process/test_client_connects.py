"""Names with several addresses, of which some do not answer."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import calc_client
from support.daemon import TREE, Calcd

ASK = {
    "Client": """
import sys
from calcd.client import Client
with Client(sys.argv[1], timeout=float(sys.argv[2])) as c:
    print(c.add(2, 3))
""",
    "AsyncClient": """
import asyncio, sys
from calcd.client import AsyncClient
async def ask():
    async with AsyncClient(sys.argv[1], timeout=float(sys.argv[2])) as c:
        print(await c.add(2, 3))
asyncio.run(ask())
""",
}
# A neighbour whose hardware address nobody has: what is sent there is lost, and nobody says so.
SWALLOWED = ("192.0.2.99", "2001:db8::99")


@pytest.fixture
def wire(network: list[str]) -> list[str]:
    """The network with addresses behind wire0 that swallow what is sent to them."""
    for command in (
        "address add 192.0.2.1/24 dev wire0",
        "address add 2001:db8::1/64 dev wire0 nodad",
        *(f"neighbour add {address} lladdr 02:00:00:00:00:63 dev wire0" for address in SWALLOWED),
    ):
        subprocess.run([*network, "ip", *command.split()], check=True)
    return network


@pytest.fixture
def calcd(folder: Path, wire: list[str]) -> Iterator[Calcd]:
    with Calcd(folder, listen=["127.0.0.1:7070"], prefix=wire) as calcd:
        yield calcd


def ask(
    wire: list[str], etc: Path, addresses: list[str], client: str, timeout: float
) -> subprocess.CompletedProcess[str]:
    """Asks the host calc, which has these addresses."""
    etc.mkdir()
    (etc / "hosts").write_text("".join(f"{address} calc\n" for address in addresses))
    # A folder above /etc, because a minimal root has no /etc/hosts that a file could be put in place of.
    put = 'mount -t overlay -o "lowerdir=$0:/etc" calc /etc && exec "$@"'
    named = ["unshare", "--mount", "sh", "-c", put, str(etc)]
    return subprocess.run(
        [*wire, *named, sys.executable, "-W", "error", "-c", ASK[client], "calc:7070", str(timeout)],
        cwd=TREE,
        capture_output=True,
        text=True,
        env=calc_client.environment(),
        timeout=calc_client.DEADLINE,
        check=False,
    )


@pytest.mark.parametrize("client", ASK)
@pytest.mark.parametrize(
    "addresses",
    [["2001:db8::99", "127.0.0.1"], ["2001:db8::99", "192.0.2.99", "127.0.0.1"], ["::1", "127.0.0.1"]],
)
@pytest.mark.usefixtures("calcd")
def test_an_address_that_does_not_answer_does_not_keep_the_next_one_from_being_tried(
    wire: list[str], tmp_path: Path, addresses: list[str], client: str
) -> None:
    # The kernel gives an address up after 127 seconds (tcp_syn_retries in tcp(7)).
    asked = ask(wire, tmp_path / "etc", addresses, client, 60)
    assert (asked.stdout, asked.stderr, asked.returncode) == ("5\n", "", 0)


@pytest.mark.parametrize("client", ASK)
def test_a_host_of_which_no_address_answers_is_a_timeout(
    wire: list[str], tmp_path: Path, client: str
) -> None:
    asked = ask(wire, tmp_path / "etc", list(SWALLOWED), client, 0.6)
    assert "ServerTimeoutError: calc:7070 did not accept the connection within 0.6 s" in asked.stderr


@pytest.mark.parametrize("client", ASK)
def test_a_host_all_of_whose_addresses_refuse_is_an_error_before_the_time_is_up(
    wire: list[str], tmp_path: Path, client: str
) -> None:
    asked = ask(wire, tmp_path / "etc", ["::1", "127.0.0.1"], client, 10 * calc_client.DEADLINE)
    assert "ConnectError: cannot connect to calc:7070: " in asked.stderr
    assert "is calcd running?" in asked.stderr
