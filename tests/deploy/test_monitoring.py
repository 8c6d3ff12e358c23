"""Alert rules and the dashboard ask for metrics that there are."""

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.api.test_metrics import OF_ALL, OF_THE_INSTANCE

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
KINDS = OF_THE_INSTANCE | OF_ALL
PARTS = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("_total",), "gauge": ("",)}
SERIES = {name + part for name, kind in KINDS.items() for part in PARTS[kind]}


def rules():
    groups = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())["groups"]
    return {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"]}


def panels():
    panels = json.loads((DEPLOY / "grafana/dashboard.json").read_text())["panels"]
    return {one["title"]: " ".join(t["expr"] for t in one["targets"]) for one in panels}


@pytest.mark.parametrize(("title", "expression"), [*rules().items(), *panels().items()])
def test_each_metric_that_is_asked_for_exists(title, expression):
    asked = set(re.findall(r"\b(?:taskengine|process)_[a-z_]+", expression))
    assert asked or title == "TaskEngineDown"
    assert asked <= SERIES


def test_each_alert_says_what_it_is_about_and_how_bad_it_is():
    groups = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())["groups"]
    for rule in [rule for group in groups for rule in group["rules"]]:
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in ("critical", "warning", "info")


def test_each_alert_and_metric_is_explained():
    told = (DEPLOY.parent / "docs/operating.md").read_text()
    names = [*rules(), *(name for name in KINDS if name.startswith("taskengine_"))]
    assert [name for name in names if f"`{name}" not in told] == []
