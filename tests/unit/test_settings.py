"""The settings: what files and options come to, and what is said about those that are wrong."""

import argparse
import dataclasses
import ipaddress
import math
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcd.launch import options
from calcd.settings import reading, symlinks, values, writing
from calcd.settings.addresses import PREFIXES, Address, parse_address
from calcd.settings.reading import ConfigError
from calcd.settings.table import ROWS, Settings
from calcd.settings.values import LogConnections, LogLevel, LogTarget
from calcd.supervisor.reload import needing_restart

Write = Callable[[str, str], Path]

MAIN = "etc/calcd/calcd.conf"
VENDOR_MAIN = "usr/lib/calcd/calcd.conf"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a settings file below tmp_path: the section header, and the text below it from line 2 on."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"[calcd]\n{text}")
        return path

    return write


def problems(
    config_file: Path | None = None,
    options: Mapping[str, Sequence[str]] | None = None,
    root: Path = Path("/"),
) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        reading.load(config_file, options, root)
    found = [str(problem) for problem in caught.value.problems]
    assert str(caught.value) == "\n".join(found)
    return found


def addresses(*texts: str) -> tuple[Address, ...]:
    return tuple(map(parse_address, texts))


# --- What is read


def test_without_any_file_the_defaults_are_in_force(tmp_path: Path) -> None:
    loaded = reading.load(root=tmp_path)
    assert loaded == Settings()
    assert loaded == Settings(
        listen=(Address(socket.AF_INET, "127.0.0.1", 7070),),
        protocols=("classic", "resp"),
        pid_file=Path("/run/calcd/calcd.pid"),
        user="",
        group="",
        free_bind=False,
        socket_mode=0o666,
        socket_group="",
        backlog=4096,
        max_connections=1000,
        max_connections_per_source=100,
        max_rate_per_source=100,
        exempt_sources=values.parse_networks("127.0.0.0/8 ::1"),
        proxy_sources=values.parse_networks("127.0.0.0/8 ::1"),
        proxy_timeout=5.0,
        max_requests=math.inf,
        spare_handlers=8,
        connections_per_handler=1,
        first_byte_timeout=60.0,
        frame_timeout=10.0,
        idle_timeout=900.0,
        send_timeout=60.0,
        connection_lifetime=math.inf,
        handler_cpu_time=3600.0,
        handler_memory=64 * 1024 * 1024,
        drain_time=10.0,
        log_level=LogLevel.INFO,
        log_target=LogTarget.AUTO,
        log_connections=LogConnections.ALL,
    )


def test_a_file_sets_every_setting(write: Write) -> None:
    path = write(
        "my.conf",
        "# a comment\n"
        "  ; another, indented\n"
        "\n"
        "Listen=[::1]:7071 unix:/run/calcd/calcd.sock\n"
        "FreeBind=yes\n"
        "SocketMode=0660\n"
        "SocketGroup=www-data\n"
        "Protocols=resp\n"
        "PidFile = /run/other.pid \n"
        "User=calcd\r\n"
        "Group=1001\n"
        "Backlog=128\n"
        "MaxConnections=infinity\n"
        "MaxConnectionsPerSource=3\n"
        "MaxRatePerSource=20\n"
        "ExemptSources=192.0.2.1 2001:db8::/32\n"
        "ProxySources=192.0.2.7\n"
        "ProxyTimeout=1min\n"
        "MaxRequests=1000000\n"
        "SpareHandlers=0\n"
        "ConnectionsPerHandler=infinity\n"
        "FirstByteTimeout=5s\n"
        "FrameTimeout=500ms\n"
        "IdleTimeout=infinity\n"
        "SendTimeout=90\n"
        "ConnectionLifetime=1d\n"
        "HandlerCpuTime=30s\n"
        "HandlerMemory=1G\n"
        "DrainTime=1min 30s\n"
        "LogLevel=debug\n"
        "LogTarget=syslog\n"
        "LogConnections=errors",
    )
    loaded = reading.load(path)
    assert [name for name in ROWS if getattr(loaded, name) == getattr(Settings(), name)] == []
    assert loaded == Settings(
        listen=addresses("[::1]:7071", "unix:/run/calcd/calcd.sock"),
        free_bind=True,
        socket_mode=0o660,
        socket_group="www-data",
        protocols=("resp",),
        pid_file=Path("/run/other.pid"),
        user="calcd",
        group="1001",
        backlog=128,
        max_connections=math.inf,
        max_connections_per_source=3,
        max_rate_per_source=20,
        exempt_sources=values.parse_networks("192.0.2.1/32 2001:db8::/32"),
        proxy_sources=values.parse_networks("192.0.2.7"),
        proxy_timeout=60.0,
        max_requests=1_000_000,
        spare_handlers=0,
        connections_per_handler=math.inf,
        first_byte_timeout=5.0,
        frame_timeout=0.5,
        idle_timeout=math.inf,
        send_timeout=90.0,
        connection_lifetime=86_400.0,
        handler_cpu_time=30.0,
        handler_memory=1 << 30,
        drain_time=90.0,
        log_level=LogLevel.DEBUG,
        log_target=LogTarget.SYSLOG,
        log_connections=LogConnections.ERRORS,
    )


def test_the_last_of_several_assignments_wins(write: Write) -> None:
    assert reading.load(write("my.conf", "LogLevel=debug\nLogLevel=err\n")).log_level is LogLevel.ERR


def test_an_empty_pid_file_is_none(write: Write) -> None:
    assert reading.load(write("my.conf", "PidFile=\n")).pid_file is None


def test_what_follows_a_value_is_no_comment(write: Write) -> None:
    assert reading.load(write("my.conf", "PidFile=/run/a #b;c=d\n")).pid_file == Path("/run/a #b;c=d")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Listen=127.0.0.2:1", ["127.0.0.2:1"]),
        ("Listen=127.0.0.2:1\t 127.0.0.3:2\nListen=[::1]:3", ["127.0.0.2:1", "127.0.0.3:2", "[::1]:3"]),
        ("Listen=127.0.0.2:1\nListen=\nListen=127.0.0.3:2", ["127.0.0.3:2"]),
        ("Listen=127.0.0.2:1\nListen=", []),
        ("Listen=127.0.0.2:1 127.0.0.3:2\nListen=127.0.0.2:1", ["127.0.0.2:1", "127.0.0.3:2"]),
    ],
    ids=["replaces the default", "adds up", "is reset", "is emptied", "has each address once"],
)
def test_a_list(write: Write, text: str, expected: list[str]) -> None:
    assert reading.load(write("my.conf", text)).listen == addresses(*expected)


def test_settings_cannot_be_changed_once_loaded() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().user = "root"  # type: ignore[misc]


# --- Which files are read


def test_the_main_file_in_etc_masks_the_one_in_usr_lib(write: Write, tmp_path: Path) -> None:
    write(VENDOR_MAIN, "User=vendor\nLogLevel=debug\n")
    assert reading.load(root=tmp_path).user == "vendor"
    write(MAIN, "User=local\n")
    assert reading.load(root=tmp_path) == Settings(user="local")


def test_drop_ins_apply_by_name_after_the_main_file(write: Write, tmp_path: Path) -> None:
    write(MAIN, "User=main\nGroup=main\nListen=127.0.0.1:1\n")
    write(f"{MAIN}.d/30-last.conf", "User=30\nListen=127.0.0.1:4\n")
    write(f"{VENDOR_MAIN}.d/20-vendor.conf", "User=20\nLogTarget=stderr\nListen=127.0.0.1:3\n")
    write(f"{MAIN}.d/10-first.conf", "User=10\nLogTarget=syslog\nListen=127.0.0.1:2\n")
    assert reading.load(root=tmp_path) == Settings(
        user="30",
        group="main",
        log_target=LogTarget.STDERR,
        listen=addresses("127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3", "127.0.0.1:4"),
    )


def test_a_drop_in_can_start_a_list_afresh(write: Write, tmp_path: Path) -> None:
    write(MAIN, "Listen=127.0.0.1:1\n")
    write(f"{MAIN}.d/only.conf", "Listen=\nListen=127.0.0.1:2\n")
    assert reading.load(root=tmp_path).listen == addresses("127.0.0.1:2")


def test_a_drop_in_in_etc_masks_the_same_name_in_usr_lib(write: Write, tmp_path: Path) -> None:
    write(f"{VENDOR_MAIN}.d/a.conf", "User=vendor\nGroup=vendor\n")
    write(f"{MAIN}.d/a.conf", "User=local\n")
    assert reading.load(root=tmp_path) == Settings(user="local")


def test_an_empty_file_and_a_link_to_dev_null_mask_too(write: Write, tmp_path: Path) -> None:
    write(VENDOR_MAIN, "User=vendor\n")
    write(f"{VENDOR_MAIN}.d/a.conf", "Group=vendor\n")
    write(f"{VENDOR_MAIN}.d/b.conf", "LogLevel=err\n")
    write(MAIN, "").write_text("")
    write(f"{MAIN}.d/a.conf", "").write_text("")
    (tmp_path / f"{MAIN}.d/b.conf").symlink_to("/dev/null")
    assert reading.load(root=tmp_path) == Settings()


def test_only_visible_files_named_conf_are_drop_ins(write: Write, tmp_path: Path) -> None:
    for name in ("a.conf~", "a.conf.dpkg-old", "README", ".a.conf", ".conf"):
        write(f"{MAIN}.d/{name}", "not a setting")
    (tmp_path / f"{MAIN}.d/.#a.conf").symlink_to("somebody@host.1234")  # an editor's lock
    assert reading.load(root=tmp_path) == Settings()


def test_a_file_that_is_named_replaces_all_standard_places(write: Write, tmp_path: Path) -> None:
    write(MAIN, "User=local\n")
    write(f"{MAIN}.d/a.conf", "Group=local\n")
    write("my.conf.d/a.conf", "LogLevel=err\n")
    path = write("my.conf", "LogLevel=debug\nDrainTime=1\n")
    assert reading.load(path, root=tmp_path) == Settings(log_level=LogLevel.ERR, drain_time=1.0)


# --- Links, which the service may see otherwise than the administrator


@pytest.mark.parametrize("name", [MAIN, f"{MAIN}.d"])
def test_a_name_that_leads_nowhere_is_a_problem_and_not_an_absent_file(tmp_path: Path, name: str) -> None:
    link = tmp_path / name
    link.parent.mkdir(parents=True)
    link.symlink_to("/srv/calcd")
    assert problems(root=tmp_path) == [
        f"{link}: cannot be read: No such file or directory: it is a symbolic link to /srv/calcd, and "
        "the shipped unit shows /etc/calcd and /usr alone to the service; put the file itself there"
    ]


def test_a_folder_that_leads_nowhere_is_a_problem_and_no_configuration_without_files(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    folder = tmp_path / "etc/calcd"
    folder.symlink_to("/srv/calcd")
    assert problems(root=tmp_path) == [
        f"{folder}: cannot be read: No such file or directory: it is a symbolic link to /srv/calcd"
    ]


def test_an_instance_is_told_what_the_service_sees(tmp_path: Path) -> None:
    link = tmp_path / "etc/calcd/blue.conf"
    link.parent.mkdir(parents=True)
    link.symlink_to("/srv/blue.conf")
    (problem,) = problems(link, root=tmp_path)
    assert problem.endswith("shows /etc/calcd and /usr alone to the service; put the file itself there")
    assert hidden(tmp_path, link) == ["etc/calcd/blue.conf /srv/blue.conf"]
    assert hidden(tmp_path, tmp_path / "elsewhere/blue.conf") == []


def hidden(root: Path, config_file: Path | None = None) -> list[str]:
    found = symlinks.hidden_from_service(config_file, root)
    return [f"{name} {target}".replace(f"{root}/", "") for name, target in found]


def test_links_within_what_the_service_sees_are_fine(write: Write, tmp_path: Path) -> None:
    write("usr/share/calcd/site.conf", "LogLevel=err\n")
    write("etc/calcd/real.conf", "LogLevel=err\n")
    (tmp_path / f"{MAIN}.d").mkdir()
    (tmp_path / MAIN).symlink_to("real.conf")
    (tmp_path / f"{MAIN}.d/a.conf").symlink_to(tmp_path / "usr/share/calcd/site.conf")
    (tmp_path / f"{MAIN}.d/b.conf").symlink_to("/dev/null")
    (tmp_path / "lib").symlink_to("usr/lib")
    (tmp_path / f"{MAIN}.d/c.conf").symlink_to("../../../lib/calcd.conf")
    assert hidden(tmp_path) == []


@pytest.mark.parametrize("name", [MAIN, f"{MAIN}.d", f"{MAIN}.d/a.conf", VENDOR_MAIN])
def test_links_that_lead_out_of_what_the_service_sees_are_found(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).symlink_to(tmp_path / "srv/calcd")
    assert hidden(tmp_path) == [f"{name} srv/calcd"]


def test_a_link_that_comes_back_by_another_folder_is_found(write: Write, tmp_path: Path) -> None:
    real = write("etc/calcd/real.conf", "LogLevel=err\n")
    (tmp_path / "srv").mkdir()
    (tmp_path / "srv/calcd.conf").symlink_to(real)
    (tmp_path / MAIN).symlink_to(tmp_path / "srv/calcd.conf")
    assert hidden(tmp_path) == [f"{MAIN} srv/calcd.conf"]


def test_of_a_folder_that_is_hidden_the_files_are_not_named(write: Write, tmp_path: Path) -> None:
    write("srv/calcd/a.conf", "LogLevel=err\n")
    (tmp_path / MAIN).parent.mkdir(parents=True)
    (tmp_path / f"{MAIN}.d").symlink_to(tmp_path / "srv/calcd")
    assert hidden(tmp_path) == [f"{MAIN}.d srv/calcd"]


def test_a_link_by_way_of_a_folder_that_is_a_link_is_found(write: Write, tmp_path: Path) -> None:
    write("etc/calcd/real.conf", "LogLevel=err\n")
    (tmp_path / "srv").mkdir()
    (tmp_path / "srv/link").symlink_to(tmp_path / "etc/calcd")
    (tmp_path / MAIN).symlink_to("../../srv/link/real.conf")
    assert hidden(tmp_path) == [f"{MAIN} srv/link/real.conf"]


def test_a_link_to_itself_leads_nowhere_in_particular(tmp_path: Path) -> None:
    (tmp_path / MAIN).parent.mkdir(parents=True)
    (tmp_path / MAIN).symlink_to("calcd.conf")
    assert hidden(tmp_path) == []
    (problem,) = problems(root=tmp_path)
    assert "Too many levels of symbolic links: it is a symbolic link to calcd.conf" in problem


def test_where_the_folder_itself_is_a_link_the_service_sees_what_it_leads_to(
    write: Write, tmp_path: Path
) -> None:
    write("srv/calcd/calcd.conf", "LogLevel=err\n")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/calcd").symlink_to(tmp_path / "srv/calcd")
    assert hidden(tmp_path) == []


# --- What is wrong


def test_every_problem_of_every_file_and_option_is_reported_where_it_is(write: Write, tmp_path: Path) -> None:
    main = write(MAIN, "DrainTime=soon\n\nLogLevel\nDrainTiem=1\n[server]\nPort=1\n[calcd]\nUser=me\n")
    drop_in = write(f"{MAIN}.d/a.conf", "Listen=localhost:7070 127.0.0.1:1\nLogTarget=tty\n")
    found = problems(root=tmp_path, options={"log_level": ["loud"], "listen": ["7070"]})
    assert found == [
        f"{main}:2: DrainTime: 'soon' is not a span of time: write 90 (seconds), 500ms, 1min 30s "
        "(units: w, d, h, min, s, ms, us)",
        f"{main}:4: 'LogLevel' is not an assignment: write Name=value",
        f"{main}:5: unknown setting 'DrainTiem': the nearest is 'DrainTime'",
        f"{main}:6: unknown section [server]: the only one is [calcd]",
        f"{drop_in}:2: Listen: 'localhost:7070': 'localhost' is not an IP address, and an address is needed: "
        "names are not looked up, and an IPv6 address goes in brackets, as in 127.0.0.1:7070 or [::1]:7070",
        f"{drop_in}:3: LogTarget: 'tty' is none of auto, journal, syslog, stderr, json",
        "--log-level: 'loud' is none of debug, info, notice, warning, err",
        "--listen: '7070' is not an address: write IPV4:PORT, [IPV6]:PORT or unix:/PATH",
    ]


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("DrainTiem", "DrainTime"),
        ("DrainTimeSec", "DrainTime"),
        ("PIDFile", "PidFile"),
        ("listen", "Listen"),
        ("ListenStream", "Listen"),
        ("log_level", "LogLevel"),
        ("LOGTARGET", "LogTarget"),
        ("Usr", "User"),
    ],
)
def test_an_unknown_setting_is_reported_with_the_nearest_one(write: Write, name: str, nearest: str) -> None:
    path = write("my.conf", f"{name}=1\n")
    assert problems(path) == [f"{path}:2: unknown setting {name!r}: the nearest is {nearest!r}"]


def test_a_wrong_value_is_reported_although_a_later_one_or_an_option_replaces_it(write: Write) -> None:
    path = write("my.conf", "LogLevel=loud\nLogLevel=info\n")
    assert len(problems(path, {"log_level": ["info"]})) == 1


def test_a_missing_section_is_reported_once_and_the_rest_is_still_checked(tmp_path: Path) -> None:
    path = tmp_path / "my.conf"
    path.write_text("User=a\nGroup=b\nLogLevel=loud\n")
    assert problems(path) == [
        f"{path}:1: an assignment before any section: write [calcd] above it",
        f"{path}:3: LogLevel: 'loud' is none of debug, info, notice, warning, err",
    ]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"[calcd]\nUser=a\nUser=\xff\n", "3: is not UTF-8"),
        (b"\xef\xbb\xbf[calcd]\n", "1: starts with a byte order mark: save the file as UTF-8 without one"),
        (b"[calcd]\n# \0\n", "2: has a NUL character: it is not a text file"),
        (b"[calcd]\nUser=a\x1bb\n", "2: User: 'a\\x1bb' has a character that cannot be printed"),
        (b"[calcd]\n\x0cUser\n", "2: 'User' is not an assignment: write Name=value"),
        (b"[calcd\n", "1: unknown section [calcd: the only one is [calcd]"),
        (b"[calcd]\n=1\n", "2: '=1' is not an assignment: write Name=value"),
    ],
)
def test_a_file_that_is_no_settings_file_is_reported_with_the_line(
    tmp_path: Path, data: bytes, problem: str
) -> None:
    path = tmp_path / "my.conf"
    path.write_bytes(data)
    assert problems(path) == [f"{path}:{problem}"]


def test_a_file_that_is_named_must_exist(tmp_path: Path) -> None:
    path = tmp_path / "my.conf"
    assert problems(path) == [f"{path}: cannot be read: No such file or directory"]


def test_a_standard_file_that_exists_must_be_readable(tmp_path: Path) -> None:
    # Not by their modes, which do not stop root.
    main, drop_in = tmp_path / MAIN, tmp_path / f"{MAIN}.d/a.conf"
    main.mkdir(parents=True)
    drop_in.parent.mkdir()
    drop_in.symlink_to("nowhere")
    drop_ins = tmp_path / f"{VENDOR_MAIN}.d"
    drop_ins.parent.mkdir(parents=True)
    drop_ins.write_text("")
    assert problems(root=tmp_path) == [
        f"{main}: cannot be read: Is a directory",
        f"{drop_ins}: cannot be read: Not a directory",
        f"{drop_in}: cannot be read: No such file or directory: it is a symbolic link to nowhere, and "
        "the shipped unit shows /etc/calcd and /usr alone to the service; put the file itself there",
    ]


# --- Options


def parse(arguments: Sequence[str]) -> dict[str, list[str]]:
    parser = argparse.ArgumentParser(exit_on_error=False)
    options.add_settings(parser)
    return options.given_settings(parser.parse_args(arguments))


def test_options_win_over_files_and_replace_lists(write: Write) -> None:
    path = write("my.conf", "Listen=127.0.0.1:1\nUser=file\nGroup=file\nPidFile=/run/file.pid\n")
    options = parse(
        ["--listen", "127.0.0.1:2", "--listen=[::1]:0", "--user", "a", "--user", "b", "--pidfile", ""]
    )
    assert reading.load(path, options) == Settings(
        listen=addresses("127.0.0.1:2", "[::1]:0"), user="b", group="file", pid_file=None
    )


def test_without_options_the_files_stand(write: Write) -> None:
    assert parse([]) == {}
    assert reading.load(write("my.conf", "User=file\n"), parse([])) == Settings(user="file")


def test_an_option_that_could_not_be_dumped_is_refused(tmp_path: Path) -> None:
    assert problems(options=parse(["--user", "a\nUser=root"]), root=tmp_path) == [
        "--user: 'a\\nUser=root' has a character that cannot be printed"
    ]
    assert problems(options=parse(["--pidfile", "calcd.pid"]), root=tmp_path) == [
        "--pidfile: 'calcd.pid' is not an absolute path"
    ]


def test_help_has_every_option_with_its_default() -> None:
    parser = argparse.ArgumentParser()
    options.add_settings(parser)
    text = " ".join(parser.format_help().split())
    names = ["--listen", "--pidfile", "--user", "--group", "--log-level", "--log-target"]
    assert names == [setting.option for setting in ROWS.values() if setting.option]
    for setting in ROWS.values():
        if setting.option:
            default = setting.default or "empty"
            assert f"{setting.option} {setting.metavar} {setting.help} Default: {default}." in text


# --- Dumps, samples, and what a reload leaves as it is

words = st.text("abz09._-é漢#;=[]\\%\"'", min_size=1)
ports = st.integers(0, 65535)
ipv4 = st.ip_addresses(v=4)
ipv6 = st.ip_addresses(v=6)
plain_address = (
    st.builds("{}:{}".format, ipv4, ports)
    | st.builds("[{}]:{}".format, ipv6, ports)
    | words.filter(lambda word: len(word.encode()) <= 100).map("unix:/run/{}".format)
)
any_address = st.builds("{}{}".format, st.sampled_from(PREFIXES), plain_address).map(parse_address)

spans = st.integers(0, values.SPAN_MAX * 1_000_000).map(lambda microseconds: microseconds / 1_000_000)
counts = st.just(math.inf) | st.integers(1, values.COUNT_MAX)
timeouts = st.just(math.inf) | spans.filter(bool)
networks = st.builds("{}/{}".format, ipv4 | ipv6, st.integers(0, 32)).map(
    lambda text: ipaddress.ip_network(text, strict=False)
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "listen": st.lists(any_address, unique=True).map(tuple),
    "protocols": st.lists(st.sampled_from(values.PROTOCOLS), min_size=1).map(
        lambda names: values.parse_protocols(" ".join(names))
    ),
    "pid_file": st.none() | st.lists(words, min_size=1).map(lambda parts: Path("/", " ".join(parts))),
    "user": st.just("") | words,
    "group": st.just("") | words,
    "free_bind": st.booleans(),
    "socket_mode": st.integers(0, 0o777),
    "socket_group": words,
    "backlog": st.integers(1, 65535),
    "max_connections": counts,
    "max_connections_per_source": counts,
    "max_rate_per_source": counts,
    "exempt_sources": st.lists(networks, unique=True).map(tuple),
    "proxy_sources": st.lists(networks, unique=True).map(tuple),
    "proxy_timeout": timeouts,
    "max_requests": counts,
    "spare_handlers": st.integers(0, values.SPARE_MAX),
    "connections_per_handler": counts,
    "first_byte_timeout": timeouts,
    "frame_timeout": timeouts,
    "idle_timeout": timeouts,
    "send_timeout": timeouts,
    "connection_lifetime": timeouts,
    "handler_cpu_time": timeouts,
    "handler_memory": st.just(math.inf) | st.integers(values.MEMORY_MIN, 1 << 40),
    "drain_time": spans,
    "log_level": st.sampled_from(LogLevel),
    "log_target": st.sampled_from(LogTarget),
    "log_connections": st.sampled_from(LogConnections),
}


def test_every_setting_is_dumped_with_any_value() -> None:
    assert VALUES.keys() == ROWS.keys()


@given(st.builds(Settings, **VALUES))
def test_a_dump_read_again_gives_the_same_settings(
    tmp_path_factory: pytest.TempPathFactory, settings: Settings
) -> None:
    path = tmp_path_factory.mktemp("dump") / "calcd.conf"
    path.write_text(writing.dump(settings))
    assert reading.load(path) == settings


def test_a_dump_has_every_setting_and_a_line_for_each_element_of_a_list() -> None:
    assert writing.dump(Settings(listen=addresses("127.0.0.1:7070", "unix:/run/calcd/calcd.sock"))) == (
        "[calcd]\n"
        "Listen=127.0.0.1:7070\n"
        "Listen=unix:/run/calcd/calcd.sock\n"
        "FreeBind=no\n"
        "SocketMode=0666\n"
        "SocketGroup=\n"
        "Protocols=classic resp\n"
        "PidFile=/run/calcd/calcd.pid\n"
        "User=\n"
        "Group=\n"
        "Backlog=4096\n"
        "MaxConnections=1000\n"
        "MaxConnectionsPerSource=100\n"
        "MaxRatePerSource=100\n"
        "ExemptSources=127.0.0.0/8\n"
        "ExemptSources=::1/128\n"
        "ProxySources=127.0.0.0/8\n"
        "ProxySources=::1/128\n"
        "ProxyTimeout=5s\n"
        "MaxRequests=infinity\n"
        "SpareHandlers=8\n"
        "ConnectionsPerHandler=1\n"
        "FirstByteTimeout=1min\n"
        "FrameTimeout=10s\n"
        "IdleTimeout=15min\n"
        "SendTimeout=1min\n"
        "ConnectionLifetime=infinity\n"
        "HandlerCpuTime=1h\n"
        "HandlerMemory=64M\n"
        "DrainTime=10s\n"
        "LogLevel=info\n"
        "LogTarget=auto\n"
        "LogConnections=all\n"
    )


def test_the_sample_file_has_the_defaults_whether_or_not_they_are_commented_out(tmp_path: Path) -> None:
    sample = writing.sample()
    names = [setting.name for setting in ROWS.values()]
    enabled = sample
    for name in names:
        assert enabled.count(f"\n#{name}=") == 1
        enabled = enabled.replace(f"\n#{name}=", f"\n{name}=")
    path = tmp_path / "calcd.conf"
    for text in (sample, enabled):
        path.write_text(text)
        assert reading.load(path) == Settings()


def test_the_settings_that_a_reload_does_not_change_are_named() -> None:
    new = Settings(
        listen=(),
        pid_file=None,
        user="a",
        drain_time=1.0,
        log_level=LogLevel.ERR,
        log_target=LogTarget.STDERR,
    )
    assert needing_restart(Settings(), new) == ("PidFile", "User", "LogTarget")
    assert needing_restart(new, new) == ()
