"""Who is there: the shops that ship with Northwind, the people who work in them, and who plays a part in a story."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

import msgspec

REGIONS = ("north", "south", "east", "west", "coast")
CARRIERS = ("Polar Freight", "Swiftline", "Green Wheels", "Blue Anchor")
STAFF = ("mia.keller", "tom.okafor", "lea.novak", "sam.rivera", "ida.lund")
CUSTOMERS = 150

SHOPS = (
    "Alder Ceramics", "Amber Toys", "Birch Bicycles", "Blue Door Books", "Brook Gardens", "Candlewick", "Cedar Lamps",
    "Clay and Co", "Clover Teas", "Copper Kettle", "Cove Surf", "Daisy Prints", "Elm Street Shoes", "Fern Outdoor",
    "Field Notes", "Finch Optics", "Garnet Rings", "Harbour Coffee", "Hazel Knits", "Heron Audio", "Indigo Textiles",
    "Ivy Skincare", "Juniper Spices", "Kite Works", "Larch Furniture", "Linden Pets", "Maple Guitars", "Meadow Honey",
    "Mill Bakery", "Moss Plants", "Oak Barrel", "Olive Grove", "Orchard Juice", "Pebble Games", "Pine Saunas",
    "Quill Paper", "Rowan Watches", "Sage Kitchens", "Thistle Yarns", "Willow Cribs",
)  # fmt: skip
FIRST_NAMES = ("Ada", "Ben", "Chloe", "Dario", "Elif", "Femi", "Greta", "Hugo", "Ines", "Jonas", "Kira", "Luca")
LAST_NAMES = ("Adler", "Brandt", "Costa", "Dubois", "Eriksen", "Ferrari", "Gruber", "Haas", "Ito", "Jansen", "Kowal")

# Home of a shop: its time zone, how far its office hours lie from UTC in winter, its country and its language.
HOMES = (
    ("Europe/Berlin", 1, "DE", "de"),
    ("Europe/Paris", 1, "FR", "fr"),
    ("Europe/London", 0, "GB", "en"),
    ("Europe/Lisbon", 0, "PT", "pt"),
)

# Parts that need a whole account, with the facts that the part requires of it.
ACCOUNT_PARTS: Mapping[str, Mapping[str, str]] = {
    "quiet": {"stage": "live", "time_zone": "America/Chicago"},
    "nearly_quiet": {"stage": "live"},
    "silent": {"stage": "live"},
    "closed": {"stage": "closed"},
    "dropping": {"stage": "live"},
    "nearly_dropping": {"stage": "live"},
    "surging": {"stage": "live"},
    "nearly_surging": {"stage": "live"},
    "souring": {"stage": "live"},
    "nearly_souring": {"stage": "live"},
    "unsynced": {"stage": "live"},
    "nearly_unsynced": {"stage": "live"},
    "growing": {"stage": "live", "plan": "starter"},
    "big": {"stage": "live", "plan": "enterprise"},
}
CUSTOMER_PARTS = (
    "left_basket", "left_address", "left_payment", "slow_payer", "flipper", "slow_flipper", "card_tester",
    "card_holder", "forgetful", "locked_out", "nearly_forgetful", "everywhere", "traveller", "repeating",
    "nearly_repeating", "unanswered", "unshipped",
)  # fmt: skip
# Whose logins the stories tell; everybody else logs in on every working day.
QUIET_PARTS = frozenset({"quiet", "nearly_quiet", "silent", "closed", "dropping", "nearly_dropping"})


class Account(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str
    stage: str
    plan: str
    owner: str
    time_zone: str
    offset_h: int
    country: str
    language: str


class Customer(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str
    account: str
    language: str
    country: str


class People(msgspec.Struct, frozen=True, kw_only=True):
    """Everybody, who plays which part, and the ordinary rest that only makes the background."""

    accounts: tuple[Account, ...]
    customers: tuple[Customer, ...]
    account_parts: Mapping[str, Account]
    customer_parts: Mapping[str, Customer]

    @property
    def ordinary_accounts(self) -> list[Account]:
        taken = {account.id for account in self.account_parts.values()}
        return [account for account in self.accounts if account.id not in taken]

    def of(self, account: Account) -> list[Customer]:
        """The people of an account who play no part of their own."""
        taken = {customer.id for customer in self.customer_parts.values()}
        return [person for person in self.customers if person.account == account.id and person.id not in taken]


def meet(rng: Random) -> People:
    """Draw the shops and their people, and cast the stories among them."""
    drawn = [draw_account(rng, name) for name in SHOPS]
    cast = dict(zip(ACCOUNT_PARTS, rng.sample(range(len(drawn)), len(ACCOUNT_PARTS)), strict=True))
    for part, at in cast.items():
        drawn[at] = msgspec.structs.replace(drawn[at], **ACCOUNT_PARTS[part])
    customers = [draw_customer(rng, number, drawn[number % len(drawn)]) for number in range(CUSTOMERS)]
    # One per ordinary account at most, so that each account keeps people for the background.
    firsts = [customers[at] for at in range(len(drawn)) if at not in set(cast.values())]
    return People(
        accounts=tuple(drawn),
        customers=tuple(customers),
        account_parts={part: drawn[at] for part, at in cast.items()},
        customer_parts=dict(zip(CUSTOMER_PARTS, rng.sample(firsts, len(CUSTOMER_PARTS)), strict=True)),
    )


def draw_account(rng: Random, name: str) -> Account:
    zone, offset_h, country, language = rng.choice(HOMES)
    return Account(
        id=name.lower().replace(" ", "-"),
        name=name,
        stage=rng.choices(("live", "onboarding"), (9, 1))[0],
        plan=rng.choices(("starter", "business", "enterprise"), (5, 4, 1))[0],
        owner=rng.choice(STAFF),
        time_zone=zone,
        offset_h=offset_h,
        country=country,
        language=language,
    )


def draw_customer(rng: Random, number: int, account: Account) -> Customer:
    return Customer(
        id=f"c{number + 1:03}",
        name=f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)}",
        account=account.id,
        language=account.language,
        country=account.country,
    )
