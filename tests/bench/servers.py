"""The servers that are compared, and how each is started."""

from typing import NamedTuple

PACKAGES = (
    *("python3-daemon", "python3-systemd", "python3-seccomp", "gcc", "libc6-dev"),
    *("ucspi-tcp", "ipsvd", "xinetd", "systemd", "redis-server", "python3-hiredis"),
)

_CALCD = (
    "python3 -m calcd --config {folder}/config --foreground --log-target stderr --listen 127.0.0.1:{port}"
)
_CONFIG = "[calcd]\nPidFile=\nUser=\n"
_QUIET = "LogConnections=errors\n"
_REUSED = "ConnectionsPerHandler=infinity\n"
# All connections that a load has open at a time, and then some; the defaults are 20 to 40.
_MANY = 4096
MOST_CLIENTS = 256
_TOOL = "starts handler.c for each connection"


class Server(NamedTuple):
    name: str
    what: str
    # In the folder of the tree, with {port}, {bench} for this folder, {built} for what gcc has made of it,
    # and {folder} for an empty one with the file config in it.
    command: str
    config: str = ""
    package: str = ""  # of Debian, where its version matters
    is_tool: bool = False  # gives each client a process of its own, with any handler
    protocol: str = "classic"  # of the load


BASELINE = Server(
    "C fork", "fork_server.c forks for each connection, and does nothing else", "{built}/fork_server {port}"
)
CLASSIC = (
    BASELINE,
    Server("calcd", "as shipped, but LogConnections=errors", _CALCD, _CONFIG + _QUIET),
    Server("calcd log-all", "as shipped, which logs every connection, to a file", _CALCD, _CONFIG),
    Server("calcd on demand", "SpareHandlers=0", _CALCD, _CONFIG + _QUIET + "SpareHandlers=0\n"),
    Server("calcd reused", "ConnectionsPerHandler=infinity", _CALCD, _CONFIG + _QUIET + _REUSED),
    Server(
        "tcpserver",
        _TOOL,
        f"tcpserver -c {_MANY} -b {_MANY} -D -H -R -l localhost 127.0.0.1 {{port}} {{built}}/handler",
        package="ucspi-tcp",
        is_tool=True,
    ),
    Server(
        "tcpsvd",
        _TOOL,
        f"tcpsvd -c {_MANY} -b {_MANY} -l localhost 127.0.0.1 {{port}} {{built}}/handler",
        package="ipsvd",
        is_tool=True,
    ),
    Server(
        "xinetd",
        _TOOL,
        "xinetd -dontfork -f {folder}/config -pidfile {folder}/pid",
        "service calc\n{{\n"
        "type = UNLISTED\nsocket_type = stream\nprotocol = tcp\nwait = no\n"
        "bind = 127.0.0.1\nport = {port}\nserver = {built}/handler\nuser = root\n"
        "instances = UNLIMITED\nper_source = UNLIMITED\ncps = 1000000 1\n"
        "}}\n",
        package="xinetd",
        is_tool=True,
    ),
    Server(
        "systemd",
        f"systemd-socket-activate --inetd --accept {_TOOL}",
        "systemd-socket-activate --inetd --accept --listen 127.0.0.1:{port} {built}/handler",
        package="systemd",
        is_tool=True,
    ),
    Server(
        "ForkingTCPServer",
        "Python's socketserver, stdlib_server.py",
        "python3 {bench}/stdlib_server.py fork {port}",
        is_tool=True,
    ),
    Server(
        "threads",
        "Python's ThreadingTCPServer, stdlib_server.py",
        "python3 {bench}/stdlib_server.py threads {port}",
    ),
    Server(
        "asyncio",
        "Python's asyncio, stdlib_server.py",
        "python3 {bench}/stdlib_server.py asyncio {port}",
    ),
    Server(
        "C prefork",
        f"prefork_server.c: {MOST_CLIENTS} processes, each serves one connection after another; the memory "
        "of those that wait is in no figure",
        f"{{built}}/prefork_server {{port}} {MOST_CLIENTS}",
    ),
    Server("C epoll", "epoll_server.c: one process for all connections", "{built}/epoll_server {port}"),
)

RESP_BASELINE = Server(
    "redis-server",
    "one process for all connections; it is asked PING",
    "redis-server --bind 127.0.0.1 --port {port} --protected-mode no --save '' --appendonly no",
    package="redis-server",
    protocol="ping",
)
RESP = (
    RESP_BASELINE,
    *(server._replace(protocol="resp") for server in CLASSIC if server.name in ("calcd", "calcd reused")),
    Server(
        "asyncio hiredis",
        "Python's asyncio and the parser of redis-py, hiredis_server.py: the four operations alone",
        "python3 {bench}/hiredis_server.py {port}",
        package="python3-hiredis",
        protocol="resp",
    ),
)
