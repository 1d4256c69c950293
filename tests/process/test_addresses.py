"""Where calcd can listen: more than an address that the machine has."""

import grp
import os
import socket
import stat
import subprocess
from pathlib import Path

import pytest
from support.addresses import accepts
from support.daemon import Calcd, ask

from calcd.protocol.classic import Operation

ADD = Operation.ADD


def answer(host: str, port: int) -> int:
    with socket.create_connection((host, port)) as connection:
        return ask(connection, ADD, 1, 2)


def port_of(calcd: Calcd) -> int:
    return int(calcd.wait_for_log(r".*serves on \S+:(\d+)")[-1][1])


def test_a_star_is_all_addresses_of_both_kinds(tmp_path: Path) -> None:
    with Calcd(tmp_path, listen=["*:0"]) as calcd:
        port = port_of(calcd)
        calcd.wait_for_log(rf"calcd \S+ serves on \*:{port}")
        assert answer("127.0.0.1", port) == answer("::1", port) == 3


def test_all_addresses_of_ipv6_are_those_of_ipv6_alone(tmp_path: Path) -> None:
    with Calcd(tmp_path, listen=["[::]:0"]) as calcd:
        port = port_of(calcd)
        assert answer("::1", port) == 3
        assert not accepts(("127.0.0.1", port))


def test_a_star_includes_the_addresses_beside_it(tmp_path: Path) -> None:
    with Calcd(tmp_path, listen=["*:0"]) as calcd:
        port = port_of(calcd)
    other = Calcd(tmp_path, listen=())
    other.config.write_text(f"[calcd]\nListen=*:{port} 127.0.0.1:{port}\n")
    assert other.start().returncode == 78
    assert other.log()[-1].endswith(
        f"cannot listen on 127.0.0.1:{port}: another address of Listen= includes it"
    )


def answer_in(network: list[str], server: str) -> str:
    command = [*network, "/usr/bin/python3", "-m", "calcd.client", "--server", server, "add", "1", "2"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize(
    ("host", "family"), [("192.0.2.7", "192.0.2.7/24"), ("[2001:db8::7]", "2001:db8::7/64")]
)
def test_an_address_that_appears_later_is_served_once_it_is_there(
    tmp_path: Path, network: list[str], host: str, family: str
) -> None:
    calcd = Calcd(tmp_path, listen=[f"{host}:7070"], prefix=network)
    assert calcd.start().returncode == 69
    assert "or set FreeBind=yes if it appears later" in calcd.log()[-1]
    calcd.config.write_text("[calcd]\nFreeBind=yes\n")
    calcd.log_file.write_text("")
    with calcd:
        subprocess.run([*network, "ip", "address", "add", family, "dev", "wire0", *nodad(family)], check=True)
        assert answer_in(network, f"{host}:7070") == "3\n"


def nodad(address: str) -> list[str]:
    """An IPv6 address is usable at once, without a look whether another machine has it."""
    return ["nodad"] if ":" in address else []


def test_a_link_local_address_is_served_on_the_interface_that_its_zone_names(
    tmp_path: Path, network: list[str]
) -> None:
    address = ["ip", "address", "add", "fe80::7/64", "dev", "wire0", "nodad"]
    subprocess.run([*network, *address], check=True)
    with Calcd(tmp_path, listen=["[fe80::7%wire0]:7070"], prefix=network) as calcd:
        calcd.wait_for_log(r"calcd \S+ serves on \[fe80::7%wire0\]:7070")
        assert answer_in(network, "[fe80::7%wire0]:7070") == "3\n"


def test_a_zone_that_is_no_interface_is_refused_by_name(tmp_path: Path) -> None:
    calcd = Calcd(tmp_path, listen=["[fe80::7%nowhere0]:7070"])
    assert calcd.start().returncode == 69
    assert calcd.log()[-1].startswith("calcd: cannot listen on [fe80::7%nowhere0]:7070: No such device")


def test_an_interface_that_goes_ends_no_reload(tmp_path: Path, network: list[str]) -> None:
    subprocess.run([*network, "ip", "address", "add", "fe80::7/64", "dev", "wire0", "nodad"], check=True)
    calcd = Calcd(tmp_path, listen=["[fe80::7%wire0]:7070", "127.0.0.1:7070"], prefix=network)
    with calcd:
        subprocess.run([*network, "ip", "link", "delete", "wire0"], check=True)
        assert calcd.reload().returncode == 0
        assert answer_in(network, "127.0.0.1:7070") == "3\n"


def test_the_holder_of_a_port_is_named_whatever_its_address_is(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        calcd = Calcd(tmp_path, listen=[f"*:{taken.getsockname()[1]}"])
        assert calcd.start().returncode == 69
        assert f" (PID {os.getpid()}) does; " in calcd.log()[-1]


def mode_and_group(path: Path) -> tuple[int, int]:
    status = path.stat()
    return stat.S_IMODE(status.st_mode), status.st_gid


def test_a_unix_socket_has_the_mode_and_the_group_of_the_settings(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    group = grp.getgrnam("daemon")
    calcd = Calcd(tmp_path, listen=[f"unix:{path}"])
    with calcd:
        assert mode_and_group(path) == (0o666, os.getgid())
        calcd.config.write_text("[calcd]\nSocketMode=0660\nSocketGroup=daemon\n")
        assert calcd.reload().returncode == 0
        assert mode_and_group(path) == (0o660, group.gr_gid)
    with calcd:
        assert mode_and_group(path) == (0o660, group.gr_gid)


def test_a_reload_that_fails_changes_the_mode_of_no_socket(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    calcd = Calcd(tmp_path, listen=())
    calcd.config.write_text(f"[calcd]\nListen=unix:{path}\nSocketMode=0600\n")
    with calcd, socket.create_server(("127.0.0.1", 0)) as taken:
        calcd.expected.append("reload failed, .*")
        port = taken.getsockname()[1]
        calcd.config.write_text(f"[calcd]\nListen=unix:{path} 127.0.0.1:{port}\nSocketMode=0666\n")
        assert calcd.reload().returncode == 69
        assert mode_and_group(path) == (0o600, os.getgid())


def test_a_file_that_has_taken_the_place_of_the_sockets_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    calcd = Calcd(tmp_path, listen=())
    calcd.config.write_text(f"[calcd]\nListen=unix:{path}\n")
    with calcd:
        path.unlink()
        assert calcd.reload().returncode == 0
        target = tmp_path / "target"
        target.touch(0o600)
        path.symlink_to(target)
        assert calcd.reload().returncode == 0
        assert mode_and_group(target) == (0o600, os.getgid())
        path.unlink()
        target.unlink()


def test_a_number_that_is_no_groups_is_refused(tmp_path: Path) -> None:
    calcd = Calcd(tmp_path, listen=[f"unix:{tmp_path}/socket"])
    calcd.config.write_text("[calcd]\nSocketGroup=4294967296\n")
    assert calcd.start().returncode == 67
    assert calcd.log()[-1].startswith("calcd: there is no group '4294967296': ")


def test_a_group_that_does_not_exist_is_refused_by_name(tmp_path: Path) -> None:
    calcd = Calcd(tmp_path, listen=[f"unix:{tmp_path}/socket"])
    calcd.config.write_text("[calcd]\nSocketGroup=nobodys\n")
    said = (
        "calcd: there is no group 'nobodys': create it (addgroup --system nobodys) or name another with "
        "SocketGroup="
    )
    for option in ((), ("--check",)):
        assert calcd.start(*option).returncode == 67
        assert calcd.log()[-1] == said
