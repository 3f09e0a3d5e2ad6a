"""The typed form of `retention:` and `bounds:`. Built only by the parser, as everything in `types`."""

from __future__ import annotations

import msgspec

from engine.model import DAY_MS, SECOND_MS


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    decisions_ms: int = 400 * DAY_MS
    ledger_ms: int = 400 * DAY_MS
    dead_letters_ms: int = 90 * DAY_MS
    entities_ms: int = 400 * DAY_MS  # time-to-live of an entity of which nothing more is heard


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """Every bound has a name and a default here."""

    event_bytes: int = 262_144
    depth: int = 32
    keys_per_entity_kind: int = 5_000_000
    record_bytes: int = 1_048_576
    events_per_batch: int = 2_000
    seen_ids: int = 1_024
    send_attempts: int = 8
    send_timeout_ms: int = 8 * SECOND_MS
    text_chars: int = 4_000
