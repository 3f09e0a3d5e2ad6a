"""A web shop: parcels that are not where they should be, and what buyers say, found by the engine and by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.real.conftest import Backtested, Ran
from tests.real.product import episodes, refused, still_open, without_closing
from tests.real.reading import DAY, Episode, Look, by, csv_rows, local_ms, spans, windows

COLUMNS = {
    "placed": "order_purchase_timestamp",
    "approved": "order_approved_at",
    "handed_over": "order_delivered_carrier_date",
    "delivered": "order_delivered_customer_date",
    "promised": "order_estimated_delivery_date",
}
ZONE = "America/Sao_Paulo"
NEVER = 1 << 60


class Order(dict[str, int]):
    """When each thing happened to an order. What did not happen is never."""

    def __missing__(self, name: str) -> int:
        return NEVER


@pytest.fixture(scope="module")
def orders(data: Path) -> dict[str, Order]:
    rows = csv_rows(data / "olist_sample/olist_orders_dataset.csv.gz")
    return {row["order_id"]: times_of(row) for row in rows}


def times_of(row: Mapping[str, str]) -> Order:
    return Order({name: local_ms(row[column], ZONE) for name, column in COLUMNS.items() if row[column]})


@pytest.fixture(scope="module")
def reviews(data: Path) -> list[tuple[int, str, int]]:
    """(time, order, stars), in order of time."""
    rows = csv_rows(data / "olist_sample/olist_order_reviews_dataset.csv.gz")
    left = [(local_ms(row["review_answer_timestamp"], ZONE), row["order_id"], int(row["review_score"])) for row in rows]
    return sorted(left, key=lambda review: review[0])


@pytest.fixture(scope="module")
def by_hand(orders: dict[str, Order], reviews: list[tuple[int, str, int]]) -> list[Episode]:
    end = max([at for at, _order, _stars in reviews] + [at for order in orders.values() for at in order.values()])
    spans_of_orders = [
        Episode(detector, name, opened, closed if closed <= end else 0)
        for name, order in orders.items()
        for detector, opened, closed in of_order(order)
        if opened <= end
    ]
    unhappy = [Episode("unhappy-and-still-waiting", *found) for found in still_waiting(orders, reviews, end)]
    sour = [Episode("sour-month", "marketplace", *span) for span in spans(months(reviews, end), end, wait=DAY)]
    return sorted(spans_of_orders + unhappy + sour)


def of_order(order: Order) -> Iterator[tuple[str, int, int]]:
    """(detector, opened, closed or never), from nothing but the order's times."""
    over = order["placed"] + 90 * DAY + 1
    due = order["approved"] + 5 * DAY
    if order["approved"] < NEVER and not order["placed"] <= order["handed_over"] <= due:
        yield "not-handed-over", due, min(order["handed_over"] if order["handed_over"] > due else NEVER, over)
    if order["handed_over"] < NEVER and order["delivered"] > order["handed_over"] + 20 * DAY:
        yield "lost-on-the-way", order["handed_over"] + 20 * DAY, order["delivered"]
    over = order["placed"] + 300 * DAY + 1
    if order["delivered"] > order["promised"] + DAY:
        yield "promise-broken", order["promised"] + DAY, min(order["delivered"], over)


def still_waiting(
    orders: dict[str, Order], reviews: list[tuple[int, str, int]], end: int
) -> Iterator[tuple[str, int, int]]:
    """The first poor review of an order whose promised day has come, and whose parcel has not."""
    for name, left in by(lambda review: review[1], reviews).items():
        order = orders.get(name, Order())
        poor = [at for at, _order, stars in left if stars <= 2 and order["promised"] < at < order["delivered"]]
        if poor:
            over = order["placed"] + 300 * DAY + 1
            yield name, poor[0], over if over <= end else 0


def months(reviews: list[tuple[int, str, int]], end: int) -> Iterator[Look]:
    for at, stars, by_event in windows([(at, stars) for at, _order, stars in reviews], 30 * DAY, end):
        share = sum(one <= 2 for one in stars) / len(stars) if stars else None
        opens = share is not None and share >= 0.2 and len(stars) >= 100
        yield Look(at, opens, share is not None and share < 0.15, by_event)


def test_each_row_becomes_as_many_events_as_it_has_times(backtested: Backtested, orders: dict[str, Order]) -> None:
    report = backtested("orders").report
    assert report.events == {"orders": sum(map(len, orders.values())), "reviews": 6_123}
    assert report.events["orders"] == 20_181
    assert report.dead_letters == {}


def test_the_same_orders_are_found_by_hand(backtested: Backtested, by_hand: list[Episode]) -> None:
    found = backtested("orders")
    assert found.opened() == without_closing(by_hand)
    assert {name: count for name, count in found.open_at_end().items() if count} == still_open(by_hand)


def test_signals_close_when_they_should(ran: Ran, by_hand: list[Episode]) -> None:
    assert episodes(ran("orders")) == by_hand
    assert refused(ran("orders")) == {}


def test_a_parcel_handed_over_before_the_approval_is_not_waited_for(
    backtested: Backtested, orders: dict[str, Order]
) -> None:
    early = {name for name, order in orders.items() if order["handed_over"] < order["approved"] < NEVER}
    waited_for = {key for detector, key, _at in backtested("orders").opened() if detector == "not-handed-over"}
    too_early = {name for name, order in orders.items() if order["handed_over"] < order["placed"]}
    assert (len(early), len(too_early)) == (58, 8)
    assert early & waited_for == too_early, "those handed over before they were placed are beyond what it can see"


def test_few_reviews_belong_to_an_order_of_the_sample(
    orders: dict[str, Order], reviews: list[tuple[int, str, int]]
) -> None:
    assert sum(order in orders for _at, order, _stars in reviews) == 251
