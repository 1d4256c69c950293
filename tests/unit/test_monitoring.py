"""docs/monitoring.md and the alert rules name what exists: each other's alerts, and metrics."""

import re
from pathlib import Path

import pytest

from calcd.supervisor.published.table import ROWS

TREE = Path(__file__).parents[2]
DOCUMENT = TREE / "docs" / "monitoring.md"
RULES = TREE / "packaging" / "examples" / "prometheus" / "calcd-alerts.yml"
METRICS = {row.metric for row in ROWS if row.metric}


def test_each_alert_has_a_row_and_no_row_is_left_over() -> None:
    alerts = re.findall(r"- alert: (\w+)", RULES.read_text())
    assert len(alerts) > 5
    assert re.findall(r"(?m)^\| (Calcd\w+) \|", DOCUMENT.read_text()) == alerts


@pytest.mark.parametrize("file", [DOCUMENT, RULES], ids=lambda file: file.name)
def test_each_metric_that_is_named_exists(file: Path) -> None:
    named = set(re.findall(r"\b(?:calcd|process)_[a-z_]+", file.read_text()))
    assert len(named) > 5
    assert named <= METRICS


def test_the_labels_that_rules_go_by_are_those_of_the_metric() -> None:
    labels = {row.metric: row.labels for row in ROWS}
    for metric, label in re.findall(r"\b(calcd_\w+)\{(\w+)", RULES.read_text()):
        assert label in labels[metric]
