"""The world of the leavers, with two models about them and detectors that watch how good those are."""

from __future__ import annotations

from pathlib import Path

from engine.shells.partition import Partition
from tests.core import leavers
from tests.core.leavers import finish, rows, take

__all__ = ["finish", "partition", "rows", "take"]

WATCHING = """
---
detector: may-leave-soon
owner: a
reason: churn-risk
per: customer
mode: shadow
watch:
  orders: {count: order, over: 4d}
  leaving: {chance_of: left, within: 3d, from: [orders], needs: 20, step: 1d}
when: {leaving: {at_least: 30%}}
---
detector: surprised
owner: a
reason: model-quality
per: model
watch:
  surprise: {average: model.judged, field: log_loss, every: 1d}
  wrong: {latest: model.judged, field: off_by, over: 2d}
  better: {latest: model.judged, where: {model: may-leave.leaving}, field: challengers.naive_bayes.auc, over: 2d}
  shift: {drift_of: surprise, needs: 8, by: page_hinkley, threshold: 1}
when:
  any_of:
    - {shift: {above: 0}}
    - {wrong: {above: 0.2}}
    - {better: {above: 0.8}}
then: [{play: call}]
why: "{{ key }} {{ model.id }}: {{ surprise }} {{ shift }} {{ wrong }} {{ better }}"
---
detector: learns-no-more
owner: a
reason: model-quality
per: model
when: {absent: {event: model.judged, within: 23h}}
then: [{play: call}]
why: "{{ key }}"
"""


def partition(folder: Path) -> Partition:
    return leavers.partition(folder, leavers.DETECTOR + WATCHING)
