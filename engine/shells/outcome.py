"""What a verdict means for the ledger: the retry schedule, and the rule for what nobody knows.

Pure: a row, a verdict and the time go in, the row's next state comes out.
"""

from __future__ import annotations

from typing import assert_never

from engine.core.moments import spoken_moment
from engine.model import HOUR_MS, MINUTE_MS, SECOND_MS
from engine.ports import Delivered, Rejected, Retry, Sink, Unknown, Verdict
from engine.shells.ledger import Row, Settled, State

SCHEDULE_MS = (5 * SECOND_MS, 30 * SECOND_MS, 2 * MINUTE_MS, 10 * MINUTE_MS, 30 * MINUTE_MS, HOUR_MS)
PAUSE_MS = 10 * MINUTE_MS
RETRY_AFTER_MAX_MS = HOUR_MS
QUIET = "quiet hours"


def settled(row: Row, verdict: Verdict, sink: Sink, now: int, attempts_max: int) -> Settled:
    """What becomes of a row after an attempt that ended in `verdict`. `row.attempts` counts that attempt."""
    match verdict:
        case Delivered(reference=reference):
            return _kept(row, State.DELIVERED, reference=reference)
        case Rejected(why=why, pause=True):
            # The channel was refused, not the action: it waits for the channel like the others.
            return _again(row, why, now + PAUSE_MS, attempts_max)
        case Rejected(why=why):
            return _failed(row, why)
        case Retry(why=why, after_ms=after_ms):
            return _again(row, why, now + max(min(after_ms, RETRY_AFTER_MAX_MS), _wait_ms(row)), attempts_max)
        case Unknown(why=why):
            return in_doubt(row, why, sink, now, attempts_max)
    assert_never(verdict)


def in_doubt(row: Row, why: str, sink: Sink, now: int, attempts_max: int) -> Settled:
    """The rule for an attempt that may have taken effect.

    Again with the same id while the receiver would recognise it; once more if it is critical, flagged; else it waits
    for a person.
    """
    since = row.doubtful_at or row.intent_at
    next_at = now + _wait_ms(row)
    if row.attempts >= attempts_max:
        return _doubtful(row, State.UNKNOWN, f"gave up after {row.attempts} attempts: {why}", since)
    if sink.idempotent and next_at < since + sink.idempotent_for_ms:
        return _doubtful(row, State.RETRY, why, since, next_at=min(next_at, row.action.expires_at or next_at))
    if row.action.purpose == "critical" and not row.possible_duplicate:
        return Settled(state=State.RETRY, why=why, doubtful_at=since, next_at=next_at, possible_duplicate=True)
    return _doubtful(row, State.UNKNOWN, why, since)


def outlived(row: Row, sink: Sink, now: int) -> bool:
    """Whether a row in doubt has waited so long that its receiver would no longer recognise the id."""
    recognised = sink.idempotent and now < row.doubtful_at + sink.idempotent_for_ms
    return row.doubtful_at > 0 and not row.possible_duplicate and not recognised


def postponed(row: Row, until: int) -> Settled:
    """It is no time to send it: it waits until then, or until it expires."""
    next_at = min(until, row.action.expires_at or until)
    return _kept(row, row.state, why=f"{QUIET} until {spoken_moment(until)}", next_at=next_at)


def is_postponed(change: Settled) -> bool:
    """Was it put off for the hour alone?"""
    return change.state is State.PENDING or (change.state is State.RETRY and change.why.startswith(QUIET))


def _again(row: Row, why: str, next_at: int, attempts_max: int) -> Settled:
    if row.attempts >= attempts_max:
        return _failed(row, f"gave up after {row.attempts} attempts: {why}")
    # What expires is looked at then, so that whoever waits for what became of it knows at once.
    return _kept(row, State.RETRY, why=why, next_at=min(next_at, row.action.expires_at or next_at))


def _failed(row: Row, why: str) -> Settled:
    """Refused for good, unless an earlier attempt may have taken effect: then nobody knows."""
    if row.doubtful_at:
        return _kept(row, State.UNKNOWN, why=f"{why}; an earlier attempt may have taken effect")
    return _kept(row, State.REJECTED, why=why)


def _doubtful(row: Row, state: State, why: str, since: int, next_at: int = 0) -> Settled:
    return Settled(state=state, why=why, doubtful_at=since, next_at=next_at, possible_duplicate=row.possible_duplicate)


def _kept(row: Row, state: State, *, why: str = "", reference: str = "", next_at: int = 0) -> Settled:
    return Settled(
        state=state,
        why=why,
        reference=reference,
        next_at=next_at,
        doubtful_at=row.doubtful_at,
        possible_duplicate=row.possible_duplicate,
    )


def _wait_ms(row: Row) -> int:
    return SCHEDULE_MS[min(max(row.attempts, 1), len(SCHEDULE_MS)) - 1]
