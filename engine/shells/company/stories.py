"""What goes wrong at Northwind in the simulated week, and what only looks as if it did.

Each story notes its events and says what a good engine should find, so that the demo and the tests can hold one against
the other. Times of day vary with the seed; what happens does not. `history.py` has the stories that began weeks before.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from engine.model import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from engine.shells.company.background import Week
from engine.shells.company.people import Account, Customer

ONE_ISSUE = ("The label printer is broken", "Printer does not print labels", "No labels again, printing fails")
THREE_ISSUES = ("The label printer is broken", "Customs papers were refused", "A box came back damaged")
FLIPS = ("autopay.started", "autopay.stopped", "autopay.started", "autopay.stopped")


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened and that `detector` should say of `entity` `key`, after `at` and not later than `by`.

    Where the moment follows from the events alone, `by` equals `at`. Where it is a matter of degree (a share that
    rises), `at` is when the trouble began and `by` when everybody would have noticed. `concerns` are the customers whom
    a trouble of a whole region hits, each of whom has to be told once.
    """

    name: str
    detector: str
    entity: str
    key: str
    at: int
    by: int
    concerns: tuple[str, ...] = ()


class NearMiss(msgspec.Struct, frozen=True, kw_only=True):
    """Something close to trouble about which nobody must be told: no action of `detector` for `entity` `key`.

    A signal may be raised and dropped at a gate (an account that has left is silent, and `only_if` says so).
    """

    name: str
    detector: str
    entity: str
    key: str


class Plot(msgspec.Struct, kw_only=True):
    """What has been planted so far. `delivered_twice` are (stream, time) of rows that their source sends again."""

    stories: list[Story] = []
    near_misses: list[NearMiss] = []
    delivered_twice: list[tuple[str, int]] = []


class Stories:
    """Plants the stories of one week into its book."""

    def __init__(self, week: Week, plot: Plot) -> None:
        self.week = week
        self.rng = week.rng
        self.book = week.book
        self.plot = plot

    def plant(self) -> None:
        self.tickets_surge()
        self.topics_repeat()
        self.an_answer_is_overdue()
        self.mood_sours()
        self.checkouts_are_left()
        self.autopay_flips()
        self.cards_are_tested()
        self.logins_fail()
        self.logins_come_from_everywhere()
        self.syncs_fail()
        self.a_carrier_fails()
        self.an_order_is_not_handed_over()
        self.accounts_grow()
        self.an_issue_comes_back()

    # ---- small helpers that read as sentences below

    def on(self, day: int, hour: float) -> int:
        """About that hour (UTC) of that day, a few minutes later by chance."""
        return self.week.start + day * DAY_MS + round(hour * HOUR_MS) + self.rng.randrange(10 * MINUTE_MS)

    def person(self, part: str) -> Customer:
        return self.week.people.customer_parts[part]

    def account(self, part: str) -> Account:
        return self.week.people.account_parts[part]

    def someone_at(self, part: str) -> Customer:
        return self.rng.choice(self.week.people.of(self.account(part)))

    def expect(self, name: str, detector: str, whose: tuple[str, str], at: int, by: int = 0) -> None:
        entity, key = whose
        self.plot.stories.append(Story(name=name, detector=detector, entity=entity, key=key, at=at, by=by or at))

    def near(self, name: str, detector: str, whose: tuple[str, str]) -> None:
        entity, key = whose
        self.plot.near_misses.append(NearMiss(name=name, detector=detector, entity=entity, key=key))

    def repeat(self, event: str, person: Customer, times: Sequence[int]) -> None:
        for at in times:
            self.book.of("usage", event, at, person)

    # ---- tickets and mood

    def urgent_tickets(self, part: str, count: int) -> list[int]:
        """Urgent tickets of different people and topics, about 15 hours apart, each answered soon."""
        times = [self.on(0, 9 + 15 * nth) for nth in range(count)]
        topics = ("label", "damage", "address", "customs", "invoice", "claim")
        for nth, at in enumerate(times):
            person = self.week.people.of(self.account(part))[nth % 3]
            self.week.ticket(person, at, topics[nth], "urgent" if nth % 2 else "high", 40 * MINUTE_MS)
        return times

    def tickets_surge(self) -> None:
        times = self.urgent_tickets("surging", 6)
        surging, calmer = ("account", self.account("surging").id), ("account", self.account("nearly_surging").id)
        self.expect("Urgent tickets pile up", "urgent-ticket-surge", surging, times[4])
        times = self.urgent_tickets("nearly_surging", 4)
        self.plot.delivered_twice.append(("tickets", times[3]))
        self.near("Four urgent tickets, one of them delivered twice", "urgent-ticket-surge", calmer)

    def topics_repeat(self) -> None:
        person, other = self.person("repeating"), self.person("nearly_repeating")
        times = [self.on(day, 10) for day in (-20, -9, 2)]
        for at in times:
            self.week.ticket(person, at, "customs", "normal", 50 * MINUTE_MS)
        self.expect(
            "The same question for the third time", "same-topic-again", ("matter", f"{person.id}|customs"), times[2]
        )
        for day, topic in ((-12, "damage"), (1, "damage"), (3, "claim")):
            self.week.ticket(other, self.on(day, 13), topic, "normal", 30 * MINUTE_MS)
        self.near("Three tickets, but not on one topic", "same-topic-again", ("matter", f"{other.id}|damage"))

    def an_issue_comes_back(self) -> None:
        """Three tickets in three drawers, one person's on one issue and another's on three. Nothing is left to chance
        here, so that the week around it stays what it was.
        """
        times = [self.week.start + day * DAY_MS + 10 * HOUR_MS for day in (-21, -8, 3)]
        for part, subjects in (("growing", ONE_ISSUE), ("big", THREE_ISSUES)):
            person = self.week.people.of(self.account(part))[0]
            for at, topic, subject in zip(times, ("label", "claim", "damage"), subjects, strict=True):
                self.week.ticket(person, at, topic, "normal", 45 * MINUTE_MS, subject=subject)
            whose = ("customer", person.id)
            if part == "growing":
                self.expect("The same trouble in other words, for the third time", "same-issue-again", whose, times[2])
        self.near("Three tickets about three things", "same-issue-again", whose)

    def an_answer_is_overdue(self) -> None:
        at = self.on(2, 9.5)
        self.week.ticket(self.person("unanswered"), at, "claim", "normal", 6 * HOUR_MS)
        ticket = self.book.latest("ticket")
        self.expect("A ticket waits for its first answer", "first-answer-overdue", ("ticket", ticket), at + 4 * HOUR_MS)
        self.week.ticket(self.person("slow_payer"), self.on(3, 9), "label", "low", 235 * MINUTE_MS)
        self.near(
            "Answered five minutes before it was due", "first-answer-overdue", ("ticket", self.book.latest("ticket"))
        )

    def mood_sours(self) -> None:
        times = [self.on(1, 9 + 4 * nth) for nth in range(8)]
        self.messages("souring", (0.2, 0.0, -0.3, -0.5, -0.6, -0.8, -0.7, -0.9), times)
        self.expect(
            "A friendly account turns sour", "mood-turning-sour", ("account", self.account("souring").id), times[5]
        )
        self.messages("nearly_souring", (-0.9, 0.6, 0.4, -0.8, 0.5, 0.7), times)
        calmer = ("account", self.account("nearly_souring").id)
        self.near("Two angry messages among friendly ones", "mood-turning-sour", calmer)

    def messages(self, part: str, scores: Sequence[float], times: Sequence[int]) -> None:
        for score, at in zip(scores, times, strict=False):
            self.book.of("sentiment", "message.scored", at, self.someone_at(part), {"score": score})

    # ---- what people do in the portal

    def checkouts_are_left(self) -> None:
        for part, steps, day in (("left_basket", 1, 0), ("left_address", 2, 3), ("left_payment", 3, 5)):
            session, left_at = self.checkout(self.person(part), self.on(day, 14), steps)
            self.expect("A checkout is left", "checkout-idle", ("session", session), left_at + 90 * SECOND_MS)
        person = self.person("slow_payer")
        session, left_at = self.checkout(person, self.on(4, 11), 3)
        self.week.order(person, left_at + 84 * SECOND_MS, parcels=1, session=session)
        self.near("Paid after 84 seconds", "checkout-idle", ("session", session))

    def checkout(self, person: Customer, at: int, steps: int) -> tuple[str, int]:
        """The first steps of a checkout; its session and the time of the last step."""
        session = self.book.number("session")
        for step in ("basket", "address", "payment")[:steps]:
            at += 40 * SECOND_MS
            self.book.of("usage", "checkout.step", at, person, {"session": session, "step": step})
        return session, at

    def autopay_flips(self) -> None:
        for part, every_ms in (("flipper", 2 * MINUTE_MS), ("slow_flipper", 9 * MINUTE_MS)):
            at = self.on(2, 16)
            for nth, flip in enumerate(FLIPS):
                self.book.of("usage", flip, at + nth * every_ms, self.person(part))
            if part == "flipper":
                flipped = ("customer", self.person(part).id)
                self.expect("Autopay on, off, on, off", "autopay-flip-flop", flipped, at + 3 * every_ms)
        calmer = ("customer", self.person("slow_flipper").id)
        self.near("The same flips over half an hour", "autopay-flip-flop", calmer)

    def cards_are_tested(self) -> None:
        tester, holder = self.person("card_tester"), self.person("card_holder")
        for person, at in ((tester, self.on(4, 2)), (holder, self.on(4, 15))):
            self.repeat("card.declined", person, [at, at + MINUTE_MS, at + 2 * MINUTE_MS])
            self.book.of("usage", "card.charged", at + 11 * MINUTE_MS, person, {"amount": 940.0})
            if person is tester:
                self.expect("Stolen cards are tried out", "card-testing", ("customer", person.id), at + 11 * MINUTE_MS)
            else:
                self.book.of("tickets", "support.contacted", at + 6 * MINUTE_MS, person)
        self.near("Declined, rang us, then paid", "card-testing", ("customer", holder.id))

    def logins_fail(self) -> None:
        at = self.on(1, 8)
        resets = ("customer", self.person("forgetful").id)
        self.repeat("password.reset_requested", self.person("forgetful"), [at, at + 9 * MINUTE_MS, at + 21 * MINUTE_MS])
        self.expect("Three password resets in an hour", "login-trouble", resets, at + 21 * MINUTE_MS)
        at = self.on(3, 7)
        times = range(at, at + 4 * MINUTE_MS, 15 * SECOND_MS)
        self.repeat("usage.login_failed", self.person("locked_out"), times)
        locked_out = ("customer", self.person("locked_out").id)
        self.expect("Locked out, and still trying", "login-trouble", locked_out, times[0], times[-1])
        at = self.on(2, 8)
        self.repeat(
            "password.reset_requested", self.person("nearly_forgetful"), [at, at + 5 * MINUTE_MS, at + 3 * HOUR_MS]
        )
        calmer = ("customer", self.person("nearly_forgetful").id)
        self.near("Three resets over three hours", "login-trouble", calmer)

    def logins_come_from_everywhere(self) -> None:
        at = self.on(5, 3)
        self.travel("everywhere", ("BR", "VN", "CA"), [at, at + 12 * MINUTE_MS, at + 31 * MINUTE_MS])
        abroad, travels = ("customer", self.person("everywhere").id), ("customer", self.person("traveller").id)
        self.expect("Logins from three countries at once", "logins-from-many-places", abroad, at + 31 * MINUTE_MS)
        self.travel("traveller", ("GB", "FR", "IT"), [self.on(day, 12) for day in (1, 2, 3)])
        self.near("A journey through three countries", "logins-from-many-places", travels)

    def travel(self, part: str, countries: Sequence[str], times: Sequence[int]) -> None:
        for country, at in zip(countries, times, strict=True):
            self.book.of("usage", "usage.login", at, self.person(part), {"country": country})

    # ---- connections, parcels, growth

    def syncs_fail(self) -> None:
        for part, day in (("unsynced", 3), ("nearly_unsynced", 2)):
            shop, at = {"account": self.account(part).id}, self.on(day, 6)
            for nth in range(3):
                worked = nth == 2 and part == "nearly_unsynced"
                self.book.note("usage", "sync.succeeded" if worked else "sync.failed", at + nth * 10 * MINUTE_MS, shop)
            if part == "unsynced":
                unsynced = ("account", shop["account"])
                self.expect(
                    "The shop's connection fails three times", "sync-keeps-failing", unsynced, at + 20 * MINUTE_MS
                )
        calmer = ("account", self.account("nearly_unsynced").id)
        self.near("Two failed syncs, the third one worked", "sync-keeps-failing", calmer)

    def a_carrier_fails(self) -> None:
        """Polar Freight breaks down in the north, while the south is only busier than usual."""
        began, concerned = self.on(3, 10), set[str]()
        for region, late_of_ten in (("north", 8), ("south", 1)):
            for nth in range(90):
                person = self.rng.choice(self.week.people.of(self.rng.choice(self.week.people.ordinary_accounts)))
                status = "late" if nth % 10 < late_of_ten else "out_for_delivery"
                scan = {"order": self.book.number("order"), "region": region, "carrier": "Polar Freight"}
                at = began + nth * 2 * MINUTE_MS
                self.week.scan(person, at, {**scan, "status": status})
                concerned |= {person.id} if status == "late" and region == "north" else set()
        north = ("region", "north")
        self.expect("A carrier fails in the north", "regional-delivery-trouble", north, began, began + 150 * MINUTE_MS)
        self.plot.stories[-1] = msgspec.structs.replace(self.plot.stories[-1], concerns=tuple(sorted(concerned)))
        self.near("A busy day in the south", "regional-delivery-trouble", ("region", "south"))

    def an_order_is_not_handed_over(self) -> None:
        order, at = self.book.number("order"), self.on(1, 9)
        self.week.place(self.person("unshipped"), at, order, parcels=2)
        self.expect(
            "A label is bought and no parcel comes", "order-not-handed-over", ("order", order), at + 36 * HOUR_MS
        )

    def accounts_grow(self) -> None:
        for part in ("growing", "big"):
            person = self.someone_at(part)
            times = [self.on(nth // 3, 9 + 3 * (nth % 3)) for nth in range(12)]
            for at in times:
                self.week.order(person, at, parcels=40)
            if part == "growing":
                self.expect("A starter ships like a business", "outgrowing-plan", ("account", person.account), times[9])
        self.near("As many parcels on a plan made for it", "outgrowing-plan", ("account", self.account("big").id))
