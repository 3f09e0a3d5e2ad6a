"""The dashboard and the alerts ask for metrics that exist, in words that Prometheus understands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.deploy.filled import filled
from tests.deploy.promtool import promtool
from tests.deploy.queries import labels_named, metrics, selectors, shown

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
GRAFANA = ROOT / "deploy" / "grafana"


def yaml(path: Path) -> Any:
    return YAML(typ="safe").load(path)


DASHBOARD = json.loads((GRAFANA / "dashboards" / "beforehand.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
RULES = [rule for group in yaml(PROMETHEUS / "rules.yml")["groups"] for rule in group["rules"]]
RULE_TESTS = sorted(PROMETHEUS.glob("rules*_test.yml"))
VARIABLES = DASHBOARD["templating"]["list"]


def panel_queries() -> Iterator[tuple[str, str]]:
    for panel in PANELS:
        yield from ((panel["title"], target["expr"]) for target in panel["targets"])


def queries() -> list[Any]:
    panels = [pytest.param(query, id=title) for title, query in panel_queries()]
    return panels + [pytest.param(rule["expr"], id=rule["alert"]) for rule in RULES]


# ---- what is asked for


@pytest.mark.parametrize("query", queries())
def test_a_query_names_only_metrics_and_labels_that_a_worker_shows(query: str) -> None:
    known = metrics()
    for selector in selectors(query):
        assert selector.name in known, f"no metric is called {selector.name}"
    for name, label in labels_named(query):
        assert label in known[name], f"{name} has the labels {sorted(known[name])}, not {label}"


def test_a_misspelt_metric_and_a_missing_label_would_be_found() -> None:
    assert next(selectors("rate(beforehand_events_consumd_total[5m])")).name not in metrics()
    named = dict(labels_named("sum by (detector) (rate(beforehand_events_consumed_total[5m]))"))
    assert named == {"beforehand_events_consumed_total": "detector"}
    assert "detector" not in metrics()["beforehand_events_consumed_total"]


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_legend_names_labels_that_the_answer_has(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= shown(target["expr"])


@pytest.mark.parametrize(
    "variable", [each for each in VARIABLES if each["type"] == "query"], ids=lambda each: each["name"]
)
def test_a_variable_lists_the_values_of_a_label_that_exists(variable: dict[str, Any]) -> None:
    found = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"])
    assert found
    assert variable["query"]["query"] == variable["definition"]
    assert found[2] in metrics()[found[1]]


def test_every_variable_that_is_used_is_there() -> None:
    builtin = {"__rate_interval", "__all"}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD)))
    assert used - builtin == {variable["name"] for variable in VARIABLES}


def test_every_metric_is_on_the_dashboard() -> None:
    """Otherwise nobody would ever look at it."""
    asked = {selector.name for _title, query in panel_queries() for selector in selectors(query)}
    unseen = [
        family.name for family in filled().registry.collect() if not any(is_of(name, family.name) for name in asked)
    ]
    assert not unseen


def is_of(series: str | None, family: str) -> bool:
    return series is not None and re.fullmatch(rf"{family}(_total|_bucket|_count|_sum)?", series) is not None


# ---- Prometheus' own word on it


def test_prometheus_takes_its_configuration() -> None:
    promtool("check", "config", "prometheus.yml", folder=PROMETHEUS)


def test_the_alerts_fire_and_stay_quiet_as_their_tests_say() -> None:
    promtool("test", "rules", *(path.name for path in RULE_TESTS), folder=PROMETHEUS)


def test_prometheus_understands_every_query_of_the_dashboard(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": re.sub(r"\$\w+", ".*", query.replace("$__rate_interval", "5m"))}
        for number, (_title, query) in enumerate(panel_queries())
    ]
    written = tmp_path / "rules.yml"
    YAML().dump({"groups": [{"name": "panels", "rules": rules}]}, written)
    promtool("check", "rules", str(written))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_is_wrong_how_bad_it_is_and_is_tested_both_ways(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert {"summary", "description"} <= rule["annotations"].keys()
    for label in re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())):
        assert label in shown(rule["expr"])
    cases = [
        case
        for path in RULE_TESTS
        for test in yaml(path)["tests"]
        for case in test["alert_rule_test"]
        if case["alertname"] == rule["alert"]
    ]
    assert any(case.get("exp_alerts") for case in cases), "no test in which it fires"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_what_to_do_about_an_alert_is_written_down(rule: dict[str, Any]) -> None:
    assert f"`{rule['alert']}`" in (ROOT / "docs" / "metrics.md").read_text()


@pytest.mark.parametrize("name", sorted(family.name for family in filled().registry.collect()))
def test_every_metric_is_explained(name: str) -> None:
    assert re.search(rf"`{name}(_total)?`", (ROOT / "docs" / "metrics.md").read_text())


def test_the_page_explains_no_metric_that_is_gone() -> None:
    known = {re.sub(r"_(bucket|count|sum)$", "", name) for name in metrics()}
    named = set(re.findall(r"`(beforehand_\w+)`", (ROOT / "docs" / "metrics.md").read_text()))
    assert named <= known


# ---- the dashboard's shape


def test_the_dashboard_has_what_grafana_needs_to_load_it() -> None:
    assert {"uid", "title", "schemaVersion", "panels", "templating", "time"} <= DASHBOARD.keys()
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    for panel in PANELS:
        assert panel["type"] in ("stat", "timeseries", "table")
        assert {"title", "description", "gridPos", "fieldConfig"} <= panel.keys()
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        references = [target["refId"] for target in panel["targets"]]
        assert len(references) == len(set(references))


def test_every_panel_asks_the_data_source_that_was_chosen() -> None:
    sources = [panel["datasource"] for panel in PANELS]
    sources += [target["datasource"] for panel in PANELS for target in panel["targets"]]
    assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)


def test_panels_lie_side_by_side_within_the_grid() -> None:
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    assert all(place["x"] >= 0 and place["x"] + place["w"] <= 24 for place in places)
    assert not [pair for pair in combinations(places, 2) if overlap(*pair)]


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
    below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    return not beside and not below


def test_the_data_source_that_is_chosen_at_first_is_the_one_that_is_provisioned() -> None:
    [source] = yaml(GRAFANA / "provisioning" / "datasources" / "prometheus.yml")["datasources"]
    chosen = next(variable for variable in VARIABLES if variable["type"] == "datasource")
    assert chosen["current"] == {"text": source["name"], "value": source["uid"]}
    assert chosen["query"] == source["type"]


def test_the_job_that_is_chosen_at_first_is_the_one_that_is_scraped() -> None:
    jobs = [job["job_name"] for job in yaml(PROMETHEUS / "prometheus.yml")["scrape_configs"]]
    chosen = next(variable for variable in VARIABLES if variable["name"] == "job")
    assert jobs == [chosen["current"]["value"]]
