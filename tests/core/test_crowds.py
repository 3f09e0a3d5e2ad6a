"""What is usual in a segment, told by a bounded sample that is the same whatever came first."""

from __future__ import annotations

from random import Random

from engine.core.crowds import MOST_SEGMENTS, MOST_VALUES, Crowd, among, forget_who, gather
from engine.core.examples import Example

DAY = 739_000


def told(who: int, value: float, period: int = DAY, segment: str = '["pro"]') -> Example:
    return Example("m", period, who, period, (value,), segment=segment, period=period)


def test_the_middle_and_the_spread_of_a_segment() -> None:
    crowds: dict[str, Crowd] = {}
    gather(crowds, [told(who, value) for who, value in enumerate((4.0, 5.0, 6.0, 7.0, 90.0))])
    assert among(crowds['["pro"]'], of_counts=False).periods == ((DAY, 6.0, 1.4826, 5),)
    # A count is spread by chance alone.
    assert among(crowds['["pro"]'], of_counts=True).of_period(DAY) == (6.0, 6.0**0.5, 5)
    assert among(crowds['["pro"]'], of_counts=True).of_period(DAY - 1) == (0.0, 0.0, 0)


def test_a_value_of_one_alone_is_not_published() -> None:
    crowds: dict[str, Crowd] = {}
    gather(crowds, [told(1, 4.0)])
    assert among(crowds['["pro"]'], of_counts=False).periods == ()


def test_of_many_the_same_are_drawn_whatever_came_first() -> None:
    values = [told(who * 7, who % 10) for who in range(2_000)]
    crowds: dict[str, Crowd] = {}
    gather(crowds, values)
    other: dict[str, Crowd] = {}
    Random(1).shuffle(values)
    gather(other, values)
    kept, again = crowds['["pro"]'], other['["pro"]']
    assert kept.values == again.values
    assert len(kept.values[DAY]) == MOST_VALUES
    assert kept.up_to == (MOST_VALUES - 1) * 7


def test_when_too_few_of_those_drawn_are_left_all_are_heard_again() -> None:
    crowds: dict[str, Crowd] = {}
    gather(crowds, [told(who, 1.0) for who in range(2_000)])
    heard = []
    for day, left in enumerate((400, 300, 250, 250), DAY + 1):
        gather(crowds, [told(who, 1.0, day) for who in range(left)])
        heard.append(crowds['["pro"]'].up_to)
    # Of the day before there are still as many as before.
    assert heard == [MOST_VALUES - 1, MOST_VALUES - 1, MOST_VALUES - 1, 0]


def test_what_is_past_is_let_go() -> None:
    crowds: dict[str, Crowd] = {}
    gather(crowds, [told(1, 1.0), told(2, 1.0, segment='["basic"]')])
    gather(crowds, [told(1, 2.0, DAY + 1)])
    assert sorted(crowds['["pro"]'].values) == [DAY, DAY + 1]
    gather(crowds, [told(1, 2.0, DAY + 2), told(3, 9.0)])
    assert {name: sorted(crowd.values) for name, crowd in crowds.items()} == {'["pro"]': [DAY + 1, DAY + 2]}


def test_there_is_room_for_so_many_segments() -> None:
    crowds: dict[str, Crowd] = {}
    refused = gather(crowds, [told(who, 1.0, segment=f'["{who}"]') for who in range(MOST_SEGMENTS + 5)])
    assert (refused, len(crowds)) == (5, MOST_SEGMENTS)


def test_somebody_is_forgotten() -> None:
    crowds: dict[str, Crowd] = {}
    gather(crowds, [told(1, 1.0), told(2, 1.0), told(1, 1.0, DAY + 1)])
    assert forget_who(crowds.values(), 1) == 2
    assert forget_who(crowds.values(), 1) == 0
    assert crowds['["pro"]'].values == {DAY: {2: 1.0}, DAY + 1: {}}
