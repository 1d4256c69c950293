"""HAProxy as the tests drive it: the configuration among the examples, and what it tells at its socket."""

import socket
import subprocess
from pathlib import Path

from support.daemon import TREE

EXAMPLE = (TREE / "packaging/examples/haproxy/haproxy.cfg").read_text()
NAME = "calc.example.org"  # whose certificate it is


def example(changes: dict[str, str]) -> str:
    """The configuration, with some of its words replaced."""
    config = EXAMPLE
    for old, new in changes.items():
        assert old in config
        config = config.replace(old, new)
    return config


def make_certificate(folder: Path) -> None:
    """Makes three files: certificate, key, and calcd.pem, which has both."""
    certificate, key = folder / "certificate", folder / "key"
    names = ("-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}")
    make = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names)
    subprocess.run([*make, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    (folder / "calcd.pem").write_text(certificate.read_text() + key.read_text())


def order(stats: Path, command: str) -> str:
    """What it replies to a command at its socket: HAProxy's management guide has them all."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(stats))
        connection.sendall(f"{command}\n".encode())
        return connection.makefile().read()


def server_rows(stats: Path) -> list[dict[str, str]]:
    """What it knows of its servers, in the order of the configuration: "show stat" in the guide."""
    names, *rows = order(stats, "show stat").removeprefix("# ").split("\n")
    found = [dict(zip(names.split(","), row.split(","), strict=True)) for row in rows if row]
    return [row for row in found if row["svname"] not in ("FRONTEND", "BACKEND")]
