"""What rows become: the event shape, CloudEvents, maps, compound ids, joined names, profiles."""

from __future__ import annotations

import orjson
import pytest

from engine.core.route import Router, Row, Watched
from engine.model import DeadLetter, Event, Json, Routed
from engine.spec.types import EntitySpec, EventMap, ProjectSpec, StreamSpec, TimeFrom, ValueFrom

MONDAY = 1_767_571_200_000
CUSTOMER = EntitySpec(kind="customer", fields=("customer",))
ACCOUNT = EntitySpec(kind="account", fields=("account",))
CART = EntitySpec(kind="cart", fields=("customer", "cart"))
PERSON = EntitySpec(kind="person", fields=("person",), also_known_as=("crm_id", "email"))
ENTITIES = (CUSTOMER, ACCOUNT, CART, PERSON)


def router_of(
    stream: StreamSpec, watched: Watched | None = None, entities: tuple[EntitySpec, ...] = ENTITIES
) -> Router:
    everything = Watched(all_events=frozenset(kind.kind for kind in entities))
    return Router(ProjectSpec(entities=entities, streams=(stream,)), watched or everything)


def row_of(position: int = 0, **fields: Json) -> Row:
    shape: dict[str, Json] = {"id": f"e{position}", "event": "x", "at": MONDAY + position}
    return Row("s", "f", position, orjson.dumps(shape | fields))


def addressed(router: Router, row: Row) -> list[tuple[str, str]]:
    return [(each.entity, each.key) for each in router.route(row) if isinstance(each, Routed)]


def events(stream: StreamSpec, **fields: Json) -> list[Event | DeadLetter]:
    return router_of(stream).events(Row("s", "f", 0, orjson.dumps(fields)))


def only_event(stream: StreamSpec, **fields: Json) -> Event:
    (event,) = events(stream, **fields)
    assert isinstance(event, Event), event
    return event


SHAPE = StreamSpec(name="s")


def test_an_event_goes_to_every_watched_entity_and_counts_once() -> None:
    out = router_of(SHAPE).route(row_of(customer="c7", account="acme"))
    assert [(each.entity, each.primary, each.position) for each in out if isinstance(each, Routed)] == [
        ("account", True, 1),
        ("customer", False, 1),
    ]


def test_only_entities_that_a_detector_watches_get_the_event() -> None:
    router = router_of(SHAPE, Watched(frozenset({"account"}), {"x": ("customer",), "y": ("cart",)}))
    assert addressed(router, row_of(0, customer="c7", account="acme", cart="1")) == [
        ("account", "acme"),
        ("customer", "c7"),
    ]


def test_an_event_nobody_watches_is_counted_and_moves_time() -> None:
    router = router_of(SHAPE, Watched(by_event={"y": ("customer",)}))
    assert router.route(row_of(customer="c7")) == []
    assert router.counts == {("accepted", "s"): 1, ("unwatched", "s"): 1}
    assert router.changes().position == 0
    assert len(router.ticks()) == 1


def test_positions_grow_by_one_per_routed_event() -> None:
    router = router_of(SHAPE)
    out = [each for n in range(3) for each in router.route(row_of(n, customer="c7", account="a"))]
    assert [each.position for each in out if isinstance(each, Routed)] == [1, 1, 2, 2, 3, 3]


def test_the_row_itself_is_the_attributes() -> None:
    event = only_event(SHAPE, id="e1", event="x", at="2026-01-05T00:00:00Z", customer="c7", plan={"name": "pro"})
    assert event.attributes["plan"] == {"name": "pro"}
    assert event.at == MONDAY
    assert event.arrived_at == MONDAY


def test_compound_ids_never_meet_by_accident() -> None:
    keys = [
        dict(addressed(router_of(SHAPE), row_of(customer=customer, cart=cart)))["cart"]
        for customer, cart in [("a|b", "c"), ("a", "b|c"), ("a\\", "b"), ("a", "\\b"), ("a\\|b", "c")]
    ]
    assert keys[0] == "a\\|b|c"
    assert len(set(keys)) == 5


def test_a_compound_id_needs_all_its_parts() -> None:
    assert addressed(router_of(SHAPE), row_of(customer="c7")) == [("customer", "c7")]


def test_an_id_may_stand_inside_an_object() -> None:
    nested = EntitySpec(kind="customer", fields=("user.id",))
    assert addressed(router_of(SHAPE, entities=(nested,)), row_of(user={"id": "c7"})) == [("customer", "c7")]
    assert addressed(router_of(SHAPE, entities=(nested,)), row_of(**{"user.id": "c8"})) == [("customer", "c8")]


# ---- other names


def test_names_seen_together_are_joined_from_then_on() -> None:
    router = router_of(SHAPE)
    assert addressed(router, row_of(0, crm_id="1")) == [("person", "crm_id:1")]
    assert addressed(router, row_of(1, person="ada", crm_id="1")) == [("person", "ada")]
    assert addressed(router, row_of(2, crm_id="1")) == [("person", "ada")]
    assert addressed(router, row_of(3, email="ada@example.com", crm_id="1")) == [("person", "ada")]
    assert addressed(router, row_of(4, email="ada@example.com")) == [("person", "email:ada@example.com")]


def test_the_latest_joining_wins() -> None:
    router = router_of(SHAPE)
    for n, person in enumerate(["ada", "bob"]):
        router.route(row_of(n, person=person, crm_id="1"))
    assert addressed(router, row_of(2, crm_id="1")) == [("person", "bob")]


def test_joined_names_survive_a_restart() -> None:
    first, second = router_of(SHAPE), router_of(SHAPE)
    first.route(row_of(0, person="ada", crm_id="1"))
    first.ticks()
    second.restore(first.changes())
    assert addressed(second, row_of(1, crm_id="1")) == [("person", "ada")]
    assert first.changes().aliases == {}


# ---- CloudEvents

CLOUD: dict[str, Json] = {
    "specversion": "1.0",
    "id": "1",
    "source": "/shop",
    "type": "order.placed",
    "time": "2026-01-05T00:00:00Z",
    "subject": "orders/5",
    "tenant": "north",
    "data": {"customer": "c7", "total": 12.5},
}


def test_a_cloud_event_becomes_an_event() -> None:
    event = only_event(SHAPE, **CLOUD)
    assert (event.id, event.event, event.at, event.entities) == ("/shop/1", "order.placed", MONDAY, {"customer": "c7"})
    assert event.attributes["total"] == 12.5
    assert (event.attributes["subject"], event.attributes["tenant"]) == ("orders/5", "north")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"data_base64": "AAAA"}, "wrong_type"),
        ({"data": "text"}, "wrong_type"),
        ({"data": [1]}, "wrong_type"),
        ({"id": ""}, "missing_field"),
        ({"source": None}, "missing_field"),
        ({"type": 5}, "wrong_type"),
        ({"time": None}, "missing_field"),
        ({"time": "soon"}, "bad_time"),
        ({"specversion": "2.0"}, "future_schema"),
        ({"dataschema": "urn:beforehand:event:2"}, "future_schema"),
        ({"data": None}, "no_entity"),
    ],
)
def test_a_cloud_event_that_cannot_be_taken_says_why(changes: dict[str, Json], reason: str) -> None:
    (letter,) = events(SHAPE, **(CLOUD | changes))
    assert isinstance(letter, DeadLetter)
    assert letter.reason == reason


def test_a_producers_own_data_schema_is_not_ours_to_judge() -> None:
    assert only_event(SHAPE, **(CLOUD | {"dataschema": "https://shop.example.com/order/v3"})).event == "order.placed"


# ---- maps

TICKETS = StreamSpec(
    name="s",
    maps=(
        EventMap(
            id=("CaseID", "Step"),
            event=ValueFrom(field="Activity", values={"1": "ticket.opened"}),
            at=TimeFrom(field="Completed", format="%Y-%m-%d %H:%M:%S", zone="Europe/Rome"),
            entities={"customer": ValueFrom(field="Who"), "account": ValueFrom(constant="acme")},
            attributes={"amount": ValueFrom(field="Amount", as_="number"), "note": ValueFrom(field="Note")},
        ),
    ),
)
TICKET: dict[str, Json] = {"CaseID": 5, "Step": "a", "Activity": 1, "Completed": "2026-01-05 01:00:00", "Who": "c7"}


def test_a_map_makes_an_event_of_a_foreign_row() -> None:
    event = only_event(TICKETS, **TICKET, Amount="12.50")
    assert (event.id, event.event, event.at) == ("5|a", "ticket.opened", MONDAY)
    assert event.entities == {"customer": "c7", "account": "acme"}
    assert event.attributes == {"amount": 12.5}


def test_a_mapped_id_with_a_part_missing_is_weak() -> None:
    assert only_event(TICKETS, **(TICKET | {"Step": ""})).id_is_weak


@pytest.mark.parametrize(
    ("amount", "reason"),
    [("12,50", "wrong_type"), ("nan", "wrong_type"), ("1e999", "bad_number"), (True, "wrong_type")],
)
def test_a_declared_number_that_is_none_is_refused(amount: Json, reason: str) -> None:
    (letter,) = events(TICKETS, **TICKET, Amount=amount)
    assert isinstance(letter, DeadLetter)
    assert letter.reason == reason


ORDERS = StreamSpec(
    name="s",
    maps=tuple(
        EventMap(
            event=ValueFrom(constant=f"order.{name}"),
            at=TimeFrom(field=name, zone="UTC"),
            entities={"customer": ValueFrom(field="who")},
            when_present=name == "delivered",
        )
        for name in ("placed", "delivered")
    ),
)


def test_one_row_gives_an_event_per_map_each_with_its_own_id() -> None:
    found = events(ORDERS, id="o1", who="c7", placed="2026-01-05", delivered="2026-01-07")
    assert [(each.id, each.event) for each in found if isinstance(each, Event)] == [
        ("o1#1", "order.placed"),
        ("o1#2", "order.delivered"),
    ]


def test_a_map_is_left_out_while_its_time_is_not_present() -> None:
    assert [
        each.event for each in events(ORDERS, who="c7", placed="2026-01-05", delivered="") if isinstance(each, Event)
    ] == ["order.placed"]


def test_a_broken_part_of_a_row_does_not_take_the_others_with_it() -> None:
    refused, delivered = events(ORDERS, who="c7", placed="soon", delivered="2026-01-07")
    assert isinstance(refused, DeadLetter)
    assert isinstance(delivered, Event)


def test_a_row_without_any_event_is_counted() -> None:
    router = router_of(StreamSpec(name="s", maps=ORDERS.maps[1:]))
    assert router.route(Row("s", "f", 0, b'{"who": "c7"}')) == []
    assert router.counts == {("not_present", "s"): 1}


# ---- what deciding hears


def test_an_event_that_deciding_hears_goes_to_its_unit_besides_those_who_watch() -> None:
    router = router_of(SHAPE, Watched(by_event={"x": ("customer",)}, heard=frozenset({"x", "z"})))
    assert addressed(router, row_of(customer="c7", account="acme")) == [("customer", "c7"), ("unit", "account:acme")]
    assert addressed(router, row_of(customer="c7")) == [("customer", "c7"), ("unit", "customer:c7")]
    heard = router.route(Row("s", "f", 0, orjson.dumps({"id": 1, "event": "z", "at": MONDAY, "customer": "c7"})))
    assert [(one.entity, one.primary) for one in heard if isinstance(one, Routed)] == [("unit", True)]


def test_an_event_of_neither_account_nor_customer_has_no_unit_to_hear_it() -> None:
    assert router_of(SHAPE, Watched(heard=frozenset({"x"}))).route(row_of(person="p")) == []


def test_a_profile_that_deciding_hears_is_written_to_its_unit_once() -> None:
    stream = StreamSpec(name="s", family="profile", describes="customer")
    router = router_of(stream, Watched(heard=frozenset({"profile.updated", "x"})))
    assert addressed(router, row_of(customer="c7")) == [("unit", "customer:c7")]


# ---- profiles

PROFILES = StreamSpec(name="s", family="profile", describes="account")


def test_a_profile_goes_to_whom_it_describes_and_to_their_unit() -> None:
    router = router_of(PROFILES, Watched(by_event={"usage.login": ("account",)}))
    out = router.route(Row("s", "f", 0, orjson.dumps({"id": 1, "at": MONDAY, "account": "acme", "customer": "c7"})))
    assert [(each.entity, each.key, each.primary, each.event.event) for each in out if isinstance(each, Routed)] == [
        ("account", "acme", True, "profile.updated"),
        ("unit", "account:acme", False, "profile.updated"),
    ]


def test_a_profile_nobody_watches_still_reaches_the_unit() -> None:
    (only,) = router_of(PROFILES, Watched()).route(row_of(account="acme"))
    assert isinstance(only, Routed)
    assert (only.entity, only.key, only.primary) == ("unit", "account:acme", True)


def test_a_customer_without_account_is_its_own_unit() -> None:
    router = router_of(StreamSpec(name="s", family="profile", describes="customer"), Watched())
    assert addressed(router, row_of(customer="c7")) == [("unit", "customer:c7")]


def test_a_profile_that_does_not_say_whose_it_is_is_refused() -> None:
    (letter,) = router_of(PROFILES).route(row_of(customer="c7"))
    assert isinstance(letter, DeadLetter)
    assert letter.reason == "no_entity"
