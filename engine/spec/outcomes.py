"""What a line of `expect` in a test says of decisions: the gate that stopped one, and what it weighed."""

from __future__ import annotations

from collections.abc import Mapping

from engine.spec.nodes import MappingNode, Node
from engine.spec.report import unknown
from engine.spec.values import Scope, number
from engine.spec.world import World

# In the order in which a candidate meets them, see docs/deciding.md.
GATES = (
    "shadow",
    "paused",
    "snoozed",
    "cooldown",
    "resolved",
    "not_told",
    "only_if",
    "unless",
    "first_of",
    "in_course",
    "inhibited",
    "approval",
    "spread",
    "consent",
    "suppressed",
    "limits",
    "quiet_hours",
    "preferred_hours",
    "expired",
    "arbitration",
    "holdout",
    "experiment",
    "capacity",
)
# What people do ends a course, see docs/reactions.md.
ENDS = ("goal", "stop_if", "replied", "acknowledged", "dismissed")
# The gates that a test of a detector alone can meet; the others are rules of the project.
OF_A_DETECTOR = (
    *("cooldown", "resolved", "not_told", "only_if", "unless", "first_of", "in_course", "approval", "spread"),
    *("preferred_hours", "experiment", *ENDS),
)
FACTORS = ("chance", "context", "value", "lever")
_OF_RULES = ("priority", "factors", "runner_up")


def judge_line(stops: Mapping[str, str], nodes: Mapping[str, Node], *, rules: bool, world: World) -> None:
    """Report gates that there are not, and what could never be met."""
    for key, gate in stops.items():
        if gate and gate not in (*GATES, *ENDS):
            world.report.error(nodes[key], "unknown-gate", unknown("gate", gate, (*GATES, *ENDS)))
        elif gate and gate not in OF_A_DETECTOR and not rules:
            message = f"'{gate}' stops nothing where the detector is alone - add 'rules: true' to the test"
            world.report.error(nodes[key], "no-effect", message)
    if not rules:
        for key in _OF_RULES:
            if key in nodes:
                message = f"'{key}' is nothing where the detector is alone - add 'rules: true' to the test"
                world.report.error(nodes[key], "no-effect", message)
    if "held" in nodes and "dropped" in nodes:
        world.report.error(nodes["held"], "bad-expect", "a decision is either held or dropped - write two lines")


def read_factors(node: Node | None, scope: Scope) -> Mapping[str, float]:
    """`{chance: 0.2, value: 40}`, the factors that are asked."""
    if node is None:
        return {}
    if not isinstance(node, MappingNode) or not node.entries:
        scope.report.error(node, "wrong-type", "write factors with their values, as in {chance: 0.2, value: 40}")
        return {}
    for key, _value in node:
        if key.text not in FACTORS:
            scope.report.error(key, "unknown-key", unknown("factor", key.text, FACTORS))
    return {key.text: value for key, each in node if (value := number(each, scope)) is not None}
