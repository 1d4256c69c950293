"""The files for containers agree with each other, and with what an engine does."""

import json
import re
from pathlib import Path

import pytest

from calcd.launch import options
from calcd.settings import values

FOLDER = Path(__file__).parents[2] / "packaging" / "container"
IMAGE = (FOLDER / "Containerfile").read_text()
KUBERNETES = (FOLDER / "kubernetes.yaml").read_text()
QUADLET = (FOLDER / "calcd.container").read_text()
METRICS = 7079
ENGINES_KILL_AFTER = 10  # seconds: docker stop, podman stop


def found(pattern: str, text: str) -> str:
    (match,) = re.findall(pattern, text)
    return str(match)


def seconds(text: str) -> float:
    return values.parse_span(found(r"DrainTime=(\w+)", text))


def test_the_image_drains_before_an_engine_kills() -> None:
    assert seconds("\n".join(line for line in IMAGE.splitlines() if line[0:1] != "#")) < ENGINES_KILL_AFTER


def test_kubernetes_waits_for_the_pause_and_the_drain() -> None:
    pause = int(found(r'command: \[sleep, "(\d+)"\]', KUBERNETES))
    assert int(found(r"terminationGracePeriodSeconds: (\d+)", KUBERNETES)) > pause + seconds(KUBERNETES)


def test_kubernetes_has_what_the_container_mounts() -> None:
    mounts = re.findall(r"- \{name: (\w+), mountPath:", KUBERNETES)
    volumes = re.findall(r"- \{name: (\w+), configMap: \{name: calcd\}\}", KUBERNETES)
    assert mounts == volumes == ["settings"]


def test_calcd_knows_the_options_that_the_image_gives() -> None:
    command = json.loads(found(r"(?m)^ENTRYPOINT (.*)", IMAGE)) + json.loads(found(r"(?m)^CMD (.*)", IMAGE))
    given = options.parse(command[1:])
    assert given.foreground
    assert given.settings["pid_file"] == [""]
    assert given.settings["log_target"] == ["json"]
    assert given.settings["listen"] == ["0.0.0.0:7070", f"metrics:0.0.0.0:{METRICS}"]
    assert found(r"(?m)^EXPOSE (.*)", IMAGE) == f"7070 {METRICS}"


def test_probes_ask_for_the_metrics() -> None:
    assert f"- {{name: metrics, containerPort: {METRICS}}}\n" in KUBERNETES
    probes = re.findall(r"Probe:\n +(.*)", KUBERNETES)
    assert probes == ["httpGet: {path: /metrics, port: metrics}"] * 2
    assert f"http://127.0.0.1:{METRICS}/metrics" in found(r"(?m)^HealthCmd=(.*[^\"'\n])$", QUADLET)
    assert f"127.0.0.1:{METRICS}:{METRICS}" in re.findall(r"(?m)^PublishPort=(.*)", QUADLET)


@pytest.mark.parametrize("text", [IMAGE, KUBERNETES], ids=["Containerfile", "kubernetes.yaml"])
def test_it_is_not_root(text: str) -> None:
    assert re.search(r"USER 65532:65532|runAsUser: 65532", text)


def test_the_quadlet_has_room_for_the_connections_of_the_default() -> None:
    assert int(found(r"--pids-limit=(\d+)", QUADLET)) >= 1003
