"""A formula that reads a chance: what is at stake is looked at whenever the chance is, and names its model."""

from __future__ import annotations

from pathlib import Path

from tests.core import leavers

STAKE = f"""
detector: much-at-stake
owner: a
reason: churn-risk
per: customer
watch:
  orders: {{count: order, over: 4d}}
  mood: {{average: login, field: mood, over: 4d}}
  {leavers.CHANCE}
  stake: {{formula: "leaving * 100"}}
  least: {{formula: "orders + 30"}}
when: {{stake: {{above: least}}}}
then: [{{play: call}}]
why: "{{{{ stake | round }}}}: {{{{ why_leaving }}}}"
"""


def test_what_is_at_stake_is_told_by_the_chance(tmp_path: Path) -> None:
    part, rows = leavers.partition(tmp_path, STAKE), leavers.rows()
    for at in range(0, len(rows), 500):
        leavers.take(part, rows[at : at + 500])
    leavers.finish(part)
    decisions = list(part.store.decisions())
    assert len(decisions) > 5
    for decision in decisions:
        said = {reading.measure: reading for reading in decision.readings}
        chance, stake = said["leaving"].value, said["stake"]
        assert isinstance(chance, float)
        assert stake.value == chance * 100
        assert (stake.comparator, stake.limit_of) == ("above", "least")
        assert isinstance(stake.limit, int)
        assert stake.value > stake.limit >= 30
        assert [name for name in decision.versions if name.startswith("model of")] == ["model of leaving"]
