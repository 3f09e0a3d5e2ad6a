"""Which metrics and labels a query of Prometheus names, as read by a parser of its language."""

from __future__ import annotations

import re
from collections.abc import Iterator

import promql_parser as promql

from tests.deploy.filled import filled

# What Prometheus adds to whatever it scrapes, and what it says itself.
ADDED = frozenset({"job", "instance"})
PROMETHEUS = {"up": ADDED}


def metrics() -> dict[str, frozenset[str]]:
    """Every series that a worker shows, with its labels."""
    found: dict[str, set[str]] = {}
    for family in filled().registry.collect():
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return {name: frozenset(labels) | ADDED for name, labels in found.items()} | PROMETHEUS


def parsed(query: str) -> promql.Expr:
    """Grafana's variables stand for something of their kind. Raises ValueError."""
    plain = re.sub(r"\$__(rate_interval|interval)", "5m", query)
    return promql.parse(re.sub(r"\$\w+", ".*", plain))


def selectors(query: str) -> Iterator[promql.VectorSelector]:
    """Every place where a metric is named."""
    yield from (node for node in _nodes(parsed(query)) if isinstance(node, promql.VectorSelector))


def labels_named(query: str) -> Iterator[tuple[str, str]]:
    """(metric, label) for each label that a query matches, groups by or joins on."""
    for selector in selectors(query):
        assert selector.name, f"{query} names no metric"
        yield from ((selector.name, matcher.name) for matcher in selector.matchers.matchers)
    for node in _nodes(parsed(query)):
        below = {each.name for each in _nodes(node) if isinstance(each, promql.VectorSelector) and each.name}
        yield from ((name, label) for name in below for label in _grouped(node))


def shown(query: str) -> frozenset[str]:
    """The labels that the answer to a query has."""
    node = parsed(query)
    while isinstance(node, promql.Call | promql.ParenExpr | promql.BinaryExpr):
        if isinstance(node, promql.BinaryExpr):
            node = node.lhs if not isinstance(node.lhs, promql.NumberLiteral | promql.Call) else node.rhs
        elif isinstance(node, promql.ParenExpr):
            node = node.expr
        else:
            node = node.args[-1]
    if isinstance(node, promql.AggregateExpr):
        return frozenset(_grouped(node))
    return metrics()[next(selectors(query)).name or ""]


def _grouped(node: promql.Expr) -> list[str]:
    """The labels that one node groups by, or joins on."""
    if isinstance(node, promql.AggregateExpr) and node.modifier:
        return list(node.modifier.labels)
    if isinstance(node, promql.BinaryExpr) and node.modifier and node.modifier.matching:
        return list(node.modifier.matching.labels)
    return []


def _nodes(query: promql.Expr) -> list[promql.Expr]:
    found: list[promql.Expr] = []
    promql.walk(query, found.append)
    return found
