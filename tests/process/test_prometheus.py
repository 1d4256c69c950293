"""Prometheus itself: its tool has nothing to say about metrics and rules, and its server scrapes calcd."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from support.addresses import own_address
from support.daemon import TREE, ask
from support.processes import DEADLINE, wait_for
from support.scraped import PassedScraped, Scraped

from calcd.protocol.classic import Operation
from calcd.supervisor.published.table import ROWS

_FOLDERS = f"{TREE}/build/prometheus/usr/bin:{os.environ['PATH']}"
PROMETHEUS = shutil.which("prometheus", path=_FOLDERS) or ""
PROMTOOL = shutil.which("promtool", path=_FOLDERS) or ""
EXAMPLES = TREE / "packaging" / "examples" / "prometheus"
RULES = "calcd-alerts.yml"
RULE_TEST = Path(__file__).with_name("calcd-alerts.test.yml")

# A build of the Debian package has no Prometheus; ./check brings one.
pytestmark = pytest.mark.skipif(not (PROMETHEUS and PROMTOOL), reason="Prometheus is missing: run ./check")


def promtool(*arguments: str, stdin: str = "", folder: Path = EXAMPLES) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROMTOOL, *arguments], input=stdin, cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.fixture
def calcd(tmp_path: Path) -> Iterator[Scraped]:
    folder = tmp_path / "calcd"
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as metrics, PassedScraped(folder, metrics) as calcd:
        yield calcd


def test_promtool_has_nothing_to_say_about_the_metrics(calcd: Scraped) -> None:
    status, _, body = calcd.scrape()
    assert status == 200
    result = promtool("check", "metrics", stdin=body)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_promtool_has_nothing_to_say_about_the_examples() -> None:
    for what, file in (("rules", RULES), ("config", "prometheus.yml")):
        result = promtool("check", what, file)
        assert result.returncode == 0, result.stdout + result.stderr
        assert "SUCCESS" in result.stdout


def test_each_alert_is_raised_when_something_is_wrong_and_else_not(tmp_path: Path) -> None:
    for file in (EXAMPLES / RULES, RULE_TEST):
        shutil.copy(file, tmp_path)
    result = promtool("test", "rules", RULE_TEST.name, folder=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr


class Server:
    """A Prometheus of the test's own, with the example's configuration for another address."""

    def __init__(self, folder: Path, target: tuple[str, int]) -> None:
        config = (EXAMPLES / "prometheus.yml").read_text()
        assert "localhost:7079" in config
        shutil.copy(EXAMPLES / RULES, folder)
        config = config.replace("localhost:7079", f"{target[0]}:{target[1]}")
        (folder / "prometheus.yml").write_text(f"global:\n  scrape_interval: 200ms\n{config}")
        self._folder = folder
        self._address = f"{own_address()}:9090"

    def query(self, expression: str) -> list[dict[str, Any]]:
        return list(self._ask("query", query=expression)["result"])

    def _ask(self, what: str, **parameters: str) -> dict[str, Any]:
        url = f"http://{self._address}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=DEADLINE) as response:
            answer = json.load(response)
        assert answer["status"] == "success"
        data: dict[str, Any] = answer["data"]
        return data

    def value(self, expression: str) -> float | None:
        result = self.query(expression)
        return float(result[0]["value"][1]) if result else None

    def target(self) -> dict[str, Any]:
        (target,) = self._ask("targets")["activeTargets"]
        return dict(target)

    def _is_ready(self) -> bool:
        with contextlib.suppress(OSError):
            return bool(self._ask("targets")["activeTargets"])
        return False

    def __enter__(self) -> Self:
        command = [
            PROMETHEUS,
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            f"--web.listen-address={self._address}",
        ]
        with (self._folder / "log").open("w") as log:
            self._process = subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=log)
        try:
            wait_for(lambda: self._process.poll() is not None or self._is_ready(), "Prometheus")
            assert self._process.poll() is None, (self._folder / "log").read_text()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(DEADLINE)


def test_prometheus_scrapes_calcd(calcd: Scraped, tmp_path: Path) -> None:
    folder = tmp_path / "prometheus"
    folder.mkdir()
    with Server(folder, calcd.metrics_address) as prometheus, calcd.connect() as connection:
        for _ in range(7):
            assert ask(connection, Operation.ADD, 2, 3) == 5
        wait_for(lambda: prometheus.value("calcd_connections") == 1, "an open connection")
        assert prometheus.value('up{job="calcd"}') == 1
        assert prometheus.target()["lastError"] == ""
        for row in ROWS:
            if row.metric:
                assert prometheus.query(row.metric), row.metric
        connection.close()
        wait_for(lambda: prometheus.value("calcd_requests_total") == 7, "its requests")
        # The reload is no gap: each scrape since the first has succeeded.
        assert calcd.reload().returncode == 0
        wait_for(lambda: prometheus.value('calcd_reloads_total{result="succeeded"}') == 1, "the reload")
        assert prometheus.value('min_over_time(up{job="calcd"}[10m])') == 1
