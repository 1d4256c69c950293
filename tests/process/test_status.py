"""calcd --status and calcd --metrics: what a running calcd tells of itself."""

import json
import os
import re
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.daemon import COMMAND, REPORT_LOST, TREE, Calcd, ask
from support.processes import DEADLINE, wait_for

import calcd as package
from calcd.protocol.classic import Operation, encode_request


def run(calcd: Calcd, *options: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, "--pidfile", str(calcd.pidfile), "--config", str(calcd.config), *options]
    return subprocess.run(command, cwd=TREE, capture_output=True, text=True, check=False, timeout=DEADLINE)


def status(calcd: Calcd) -> dict[str, dict[str, Any]]:
    result = run(calcd, "--status", "--json")
    assert (result.returncode, result.stderr) == (0, "")
    found: dict[str, dict[str, Any]] = json.loads(result.stdout)
    return found


def metrics(calcd: Calcd) -> dict[str, float]:
    result = run(calcd, "--metrics")
    assert (result.returncode, result.stderr) == (0, "")
    lines = [line.rpartition(" ") for line in result.stdout.splitlines() if not line.startswith("#")]
    return {series: float(number) for series, _, number in lines}


@pytest.mark.usefixtures("every_mode")
def test_status_tells_of_connections_and_requests(tmp_path: Path) -> None:
    with Calcd(tmp_path) as calcd:
        with calcd.connect() as connection:
            assert ask(connection, Operation.ADD, 2, 3) == 5
            wait_for(lambda: status(calcd)["Clients"]["connected_clients"] == 1, "an open connection")
            assert ask(connection, Operation.ADD, 2, 3) == 5
            connection.sendall(encode_request(Operation.QUIT, 0, 0))
            assert connection.recv(1) == b""
        wait_for(lambda: status(calcd)["Clients"]["connected_clients"] == 0, "its end")
        found = status(calcd)
        assert found["Stats"]["total_connections_received"] == 1
        assert found["Stats"]["total_commands_processed"] == 2
        assert found["Stats"]["total_net_input_bytes"] == 36
        assert found["Stats"]["total_net_output_bytes"] == 8
        assert found["Calcd"]["connections_ended"]["quit"] == 1
        assert sum(found["Calcd"]["connections_ended"].values()) == 1


def test_status_is_text_for_people_with_the_same_fields(tmp_path: Path) -> None:
    with Calcd(tmp_path) as calcd:
        result = run(calcd, "--status")
        assert (result.returncode, result.stderr) == (0, "")
        found = status(calcd)
        for section, fields in found.items():
            _, _, text = result.stdout.partition(f"# {section}\n")
            for name in fields:
                assert re.search(rf"(?m)^{name}(_\w+)?:", text.partition("\n\n")[0])
        server = found["Server"]
        assert server["calcd_version"] == package.__version__
        assert server["process_id"] == calcd.supervisor.pid
        assert server["tcp_port"] == calcd.address[1]
        assert f"process_id:{calcd.supervisor.pid}\n" in result.stdout


def test_memory_cpu_time_and_handlers_are_those_of_the_processes(tmp_path: Path) -> None:
    with Calcd(tmp_path, handlers="SpareHandlers=3") as calcd:
        wait_for(lambda: status(calcd)["Calcd"]["handlers"] == {"waiting": 3, "serving": 0}, "3 handlers")
        found = status(calcd)
        assert found["Memory"]["used_memory"] > 5_000_000
        assert found["CPU"]["used_cpu_user"] > 0


def test_metrics_count_how_connections_end(tmp_path: Path) -> None:
    with Calcd(tmp_path) as calcd:
        calcd.expected += [
            r"connection .*: division by zero.*",
            r"connection .*SIGKILL.*",
        ]
        with calcd.connect() as connection:
            connection.sendall(encode_request(Operation.DIV, 1, 0))
            assert connection.recv(1) == b""
        with calcd.connect() as connection:
            assert ask(connection, Operation.ADD, 1, 1) == 2
            wait_for(lambda: len(calcd.handlers) == 1, "the end of the first handler")
            (handler,) = calcd.handlers
            os.kill(handler.pid, signal.SIGKILL)
            wait_for(lambda: metrics(calcd)["calcd_handlers_killed_total"] == 1, "a handler that died")
        found = metrics(calcd)
        assert found['calcd_connections_ended_total{ending="division by zero"}'] == 1
        assert found['calcd_connections_ended_total{ending="handler died"}'] == 1
        assert found['calcd_connections_ended_total{ending="quit"}'] == 0
        assert found["calcd_connections_opened_total"] == 2


def test_metrics_count_what_limits_refuse(tmp_path: Path) -> None:
    with Calcd(tmp_path) as calcd:
        calcd.config.write_text("[calcd]\nExemptSources=\nMaxConnectionsPerSource=1\n")
        assert calcd.reload().returncode == 0
        calcd.expected += [r".*MaxConnectionsPerSource=1.*"]
        with calcd.connect() as connection:
            assert ask(connection, Operation.ADD, 1, 1) == 2
            with calcd.connect() as second:
                assert second.recv(1) == b""
            series = 'calcd_connections_refused_total{limit="MaxConnectionsPerSource"}'
            wait_for(lambda: metrics(calcd)[series] == 1, "a connection that is refused")
            assert metrics(calcd)['calcd_limits_reached_total{limit="MaxConnectionsPerSource"}'] == 1


def test_metrics_tell_that_the_last_reload_has_failed(tmp_path: Path) -> None:
    with Calcd(tmp_path) as calcd:
        calcd.expected += ["reload failed, .*"]
        assert metrics(calcd)["calcd_config_last_reload_successful"] == 1
        calcd.config.write_text("[calcd]\nNonsense=1\n")
        calcd.signal(signal.SIGHUP)
        calcd.wait_for_log("reload failed, .*")
        calcd.config.write_text("")
        found = metrics(calcd)
        assert found["calcd_config_last_reload_successful"] == 0
        assert found['calcd_reloads_total{result="failed"}'] == 1
        calcd.config.write_text("[calcd]\nMaxConnections=7\n")
        assert calcd.reload().returncode == 0
        found = metrics(calcd)
        assert found["calcd_config_last_reload_successful"] == 1
        assert found['calcd_reloads_total{result="succeeded"}'] == 1
        assert found["calcd_connections_limit"] == 7


def test_cpu_time_never_goes_back_when_listeners_follow_one_another(tmp_path: Path) -> None:
    def cpu() -> tuple[float, ...]:
        found = metrics(calcd)
        return tuple(found[f'calcd_cpu_seconds_total{{mode="{mode}"}}'] for mode in ("user", "system"))

    with Calcd(tmp_path) as calcd:
        before = cpu()
        for _ in range(3):
            assert calcd.reload().returncode == 0
            after = cpu()
            assert after >= before
            before = after


def test_a_calcd_that_drains_still_tells(tmp_path: Path) -> None:
    with Calcd(tmp_path, handlers="DrainTime=2min") as calcd, calcd.connect() as connection:
        assert ask(connection, Operation.ADD, 1, 1) == 2
        (handler,) = calcd.handlers
        os.kill(handler.pid, signal.SIGSTOP)
        calcd.signal(signal.SIGTERM)
        calcd.wait_for_log("stopping: .*")
        assert metrics(calcd)["calcd_connections"] == 1
        os.kill(handler.pid, signal.SIGCONT)


def test_where_no_calcd_runs_it_says_so(tmp_path: Path) -> None:
    command = [*COMMAND, "--status", "--pidfile", str(tmp_path / "calcd.pid")]
    result = subprocess.run(command, cwd=TREE, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (75, "")
    assert result.stderr.startswith(f"calcd: no calcd answers on {tmp_path}/calcd.pid.control (No such file")


def test_a_calcd_from_before_an_upgrade_does_not_know_the_question(tmp_path: Path) -> None:
    pidfile = tmp_path / "calcd.pid"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as old:
        old.bind(f"{pidfile}.control")
        old.listen()
        command = [*COMMAND, "--metrics", "--pidfile", str(pidfile)]
        with subprocess.Popen(command, cwd=TREE, stderr=subprocess.PIPE, text=True) as asking:
            connection, _ = old.accept()
            assert connection.recv(7) == b"metrics"
            connection.close()
            _, problem = asking.communicate(timeout=DEADLINE)
    assert asking.returncode == 75
    assert problem.endswith("was started before an upgrade and does not know the question: restart it\n")


def test_json_takes_status() -> None:
    result = subprocess.run([*COMMAND, "--json"], cwd=TREE, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (64, "")
    assert result.stderr == "calcd: --json says how --status prints, and takes it; see calcd --help\n"


@pytest.mark.usefixtures("every_mode")
def test_info_tells_a_client_the_same(tmp_path: Path) -> None:
    def info() -> str:
        with calcd.connect() as connection, connection.makefile("rb") as replies:
            connection.sendall(b"INFO\r\nQUIT\r\n")
            size = int(replies.readline().removeprefix(b"$"))
            text = replies.read(size).decode()
            assert replies.read() == b"\r\n+OK\r\n"
            return text

    with Calcd(tmp_path) as calcd:
        assert "\r\ntotal_commands_processed:0\r\n" in info()  # from the first moment
        wait_for(lambda: "\r\ntotal_commands_processed:0\r\n" not in info(), "what has changed")
        names = re.findall(r"(?m)^(?:# )?\w+", info())
        assert names == re.findall(r"(?m)^(?:# )?\w+", run(calcd, "--status").stdout)
        assert calcd.reload().returncode == 0
        assert f"\r\nprocess_id:{calcd.supervisor.pid}\r\n" in info()
        calcd.expected += [r"the listener \d+ died.*", REPORT_LOST]
        os.kill(calcd.listener.pid, signal.SIGKILL)
        wait_for(lambda: "\r\nlisteners_lost:1\r\n" in info(), "a listener that was replaced")
