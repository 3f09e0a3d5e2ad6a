"""An ordinary week: what happens at Northwind when nothing is wrong.

Nothing here may look like trouble, for any seed. Where chance alone could make it so, it is bounded by construction: a
failed sync is followed by one that works, a customer asks at most once about a topic, each checkout is paid in time.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from engine.model import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from engine.shells.company.book import Book
from engine.shells.company.people import CARRIERS, QUIET_PARTS, REGIONS, Account, Customer, People
from engine.shells.times import iso

# How busy the hours of a local day and the days of a week are, Monday first.
HOUR_WEIGHTS = (0, 0, 0, 0, 0, 0, 1, 3, 7, 10, 10, 9, 6, 8, 9, 9, 8, 6, 4, 3, 2, 0, 0, 0)
DAY_WEIGHTS = (1.1, 1.0, 1.0, 1.0, 0.9, 0.3, 0.2)
TOPICS = ("invoice", "customs", "damage", "address", "label", "claim")
STEPS = ("basket", "address", "payment")
STATUSES = ("collected", "in_transit", "out_for_delivery", "delivered")
SYNC_EVERY_MS = 4 * HOUR_MS
LATE_SHARE = 0.02
# Where Northwind is at home.
HOME_COUNTRY = "DE"


class Week:
    """Notes the background of `days` days from `start` on into `book`."""

    def __init__(self, rng: Random, book: Book, people: People, start: int) -> None:
        self.rng = rng
        self.book = book
        self.people = people
        self.start = start

    def live_through(self, days: int) -> None:
        for day in range(days):
            self.logins(day)
            for account in self.people.ordinary_accounts:
                self.orders(account, day)
                self.messages(account, day)
                self.syncs(account, day)
        self.tickets(days)
        self.outcomes(days)

    def moment(self, day: int, offset_h: int) -> int:
        """A time on that day, more likely in the busy hours where the account is."""
        hour = self.rng.choices(range(24), HOUR_WEIGHTS)[0] - offset_h
        return self.start + day * DAY_MS + hour * HOUR_MS + self.rng.randrange(HOUR_MS)

    def how_many(self, usual: float, day: int) -> int:
        """About `usual`, give or take a third, thinned out at the weekend."""
        return round(usual * DAY_WEIGHTS[day % 7] * self.rng.uniform(0.67, 1.33))

    def logins(self, day: int) -> None:
        quiet = self.quiet_accounts()
        for account in self.people.accounts:
            if account.id not in quiet:
                for _ in range(max(1, self.how_many(4.5, day))):
                    self.visit(account, self.rng.choice(self.people.of(account)), day)

    def quiet_accounts(self) -> set[str]:
        """Whose logins the stories tell; they have none in the background."""
        return {self.people.account_parts[part].id for part in QUIET_PARTS}

    def visit(self, account: Account, person: Customer, day: int) -> None:
        at = self.moment(day, account.offset_h)
        if self.rng.random() < 0.03:
            self.book.of("usage", "usage.login_failed", at - 20 * SECOND_MS, person)
        self.book.of("usage", "usage.login", at, person, {"country": person.country})
        for _ in range(self.rng.randrange(4)):
            at += self.rng.randrange(20 * SECOND_MS, 8 * MINUTE_MS)
            self.book.of("usage", "usage.label_printed", at, person)

    def orders(self, account: Account, day: int) -> None:
        for _ in range(self.how_many(9, day)):
            person = self.rng.choice(self.people.of(account))
            at = self.moment(day, account.offset_h)
            if self.rng.random() < 0.3:
                self.checkout(person, at)
            else:
                self.order(person, at, parcels=self.rng.randint(1, 5))

    def checkout(self, person: Customer, at: int) -> None:
        """A person buys a label on the site: some steps, perhaps a slip with the card, and it is paid."""
        session = self.book.number("session")
        for step in STEPS:
            self.book.of("usage", "checkout.step", at, person, {"session": session, "step": step})
            at += self.rng.randrange(8 * SECOND_MS, 60 * SECOND_MS)
        if self.rng.random() < 0.05:
            self.book.of("usage", "card.declined", at - 5 * SECOND_MS, person)
        self.book.of("usage", "card.charged", at, person, {"amount": round(self.rng.uniform(8, 180), 2)})
        self.order(person, at, parcels=1, session=session)

    def order(self, person: Customer, at: int, parcels: int, session: str = "") -> None:
        """An order, by the site (with its session) or by the shop's connection, and the way of its first parcel."""
        order = self.book.number("order")
        self.place(person, at, order, parcels, session)
        region, carrier = self.rng.choice(REGIONS), self.rng.choice(CARRIERS)
        for status in STATUSES:
            at += self.rng.randrange(2 * HOUR_MS, 9 * HOUR_MS)
            seen = "late" if status != "collected" and self.rng.random() < LATE_SHARE else status
            self.scan(person, at, {"order": order, "region": region, "carrier": carrier, "status": seen})

    def scan(self, person: Customer, at: int, fields: Mapping[str, str]) -> None:
        """A parcel is seen. When it is late, the carrier names the day on which it comes instead."""
        promised = {"new_date": new_date(person, at)} if fields["status"] == "late" else {}
        self.book.of("logistics", "parcel.scanned", at, person, {**fields, **promised})

    def place(self, person: Customer, at: int, order: str, parcels: int, session: str = "") -> None:
        named = {"order": order, "session": session} if session else {"order": order}
        self.book.of("usage", "order.placed", at, person, {**named, "parcels": parcels})

    def messages(self, account: Account, day: int) -> None:
        for _ in range(self.how_many(3, day)):
            person = self.rng.choice(self.people.of(account))
            score = round(self.rng.triangular(-0.4, 0.9, 0.3), 2)
            self.book.of("sentiment", "message.scored", self.moment(day, account.offset_h), person, {"score": score})

    def syncs(self, account: Account, day: int) -> None:
        first = self.start + day * DAY_MS + self.rng.randrange(30 * MINUTE_MS)
        for at in range(first, first + DAY_MS - HOUR_MS, SYNC_EVERY_MS):
            failed = self.rng.random() < 0.02
            if failed:
                self.book.note("usage", "sync.failed", at, {"account": account.id})
            self.book.note("usage", "sync.succeeded", at + 10 * MINUTE_MS * failed, {"account": account.id})

    def tickets(self, days: int) -> None:
        for account in self.people.ordinary_accounts:
            # At most one high ticket per account and one ticket per topic and person: an ordinary week is no surge.
            asked = self.rng.sample([(who, topic) for who in self.people.of(account) for topic in TOPICS], 4)
            for (person, topic), priority in zip(asked, ("low", "normal", "normal", "high"), strict=True):
                at = self.moment(self.rng.randrange(days), account.offset_h)
                self.ticket(person, at, topic, priority, self.rng.randrange(5 * MINUTE_MS, 150 * MINUTE_MS))

    def ticket(
        self, person: Customer, at: int, topic: str, priority: str, answered_after: int, *, subject: str = ""
    ) -> None:
        fields = {"ticket": self.book.number("ticket"), "topic": topic, "priority": priority}
        self.book.of("tickets", "ticket.opened", at, person, fields | ({"subject": subject} if subject else {}))
        self.book.of("tickets", "ticket.answered", at + answered_after, person, fields)
        self.book.of("tickets", "ticket.closed", at + answered_after + 3 * HOUR_MS, person, fields)

    def outcomes(self, days: int) -> None:
        for account in self.people.ordinary_accounts:
            person = self.rng.choice(self.people.of(account))
            at = self.moment(self.rng.randrange(days), account.offset_h)
            self.book.of("outcome", "review.left", at, person, {"stars": self.rng.randint(3, 5)})
            if self.rng.random() < 0.2:
                at = self.moment(self.rng.randrange(days), account.offset_h)
                self.book.note("outcome", "subscription.renewed", at, {"account": account.id})


def new_date(person: Customer, at: int) -> str:
    """The day on which a late parcel comes: the next one at home, and a day later abroad. Not left to chance, so that
    two late parcels of one person on one day come on the same day.
    """
    days = 1 if person.country == HOME_COUNTRY else 2
    return iso(at + days * DAY_MS)[:10]
