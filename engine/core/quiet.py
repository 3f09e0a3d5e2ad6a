"""When nobody wants to hear from us: quiet hours by the clock on the recipient's wall.

A moment is quiet if the local time says so, which holds in the two nights of the year when clocks change as well: an
hour that comes twice is quiet twice, and one that is left out is quiet not at all.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from engine.core.unit_state import Candidate
from engine.model import MINUTE_MS
from engine.ports import NEVER
from engine.spec.policies import QuietHours
from engine.spec.zones import is_zone

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
# Ends that run into the next quiet span, one after the other: holidays, weekends, and several zones.
_MOST_SPANS = 500


def obeys_quiet_hours(candidate: Candidate) -> bool:
    """What is critical cannot wait, and what answers a session is wanted now."""
    return candidate.play.purpose != "critical" and not candidate.play.in_session


def quiet_until(candidate: Candidate) -> tuple[int, str]:
    """(when the recipient may be written to, the zones that were asked); (0, "") if that is now."""
    quiet = candidate.project.policies.quiet_hours
    if quiet is None or not obeys_quiet_hours(candidate):
        return 0, ""
    zones = zones_of(candidate, quiet)
    until = awake_at(candidate.now, quiet, zones)
    return (until, " and ".join(zones)) if until > candidate.now else (0, "")


def zones_heeded(candidate: Candidate) -> tuple[str, ...]:
    """The zones in which it has to be day for the candidate to be sent, () where it heeds no quiet hours."""
    quiet = candidate.project.policies.quiet_hours
    if quiet is None or candidate.play.to != "customer" or not obeys_quiet_hours(candidate):
        return ()
    return zones_of(candidate, quiet)


def zones_of(candidate: Candidate, quiet: QuietHours) -> tuple[str, ...]:
    """The recipient's zone, else that of its account; where neither is known, all in which it may be."""
    for profile in (candidate.profile_of(candidate.recipient.partition(":")[0]), candidate.profile_of("account")):
        zone = profile.get("time_zone")
        if isinstance(zone, str) and is_zone(zone):
            return (zone,)
    return quiet.unknown_zone


def awake_at(at: int, quiet: QuietHours, zones: tuple[str, ...]) -> int:
    """The first moment from `at` on that is quiet in none of the zones; NEVER if there is none in sight."""
    for _ in range(_MOST_SPANS):
        later = max(_end_of_quiet(at, quiet, zone) for zone in zones)
        if later == at:
            return at
        at = later
    return NEVER


def _end_of_quiet(at: int, quiet: QuietHours, zone: str) -> int:
    """`at` itself if it is not quiet then, else when this span ends by the clock."""
    local = _local(at, _zone(zone))
    if not quiet.is_quiet(local):
        return at
    tomorrow = local.date() + timedelta(days=1)
    if quiet.is_all_day(local.date()):
        return _instant(datetime.combine(tomorrow, time()), local, at)
    runs_on = quiet.from_minute > quiet.to_minute and local.hour * 60 + local.minute >= quiet.from_minute
    end = time(quiet.to_minute // 60, quiet.to_minute % 60)
    return _instant(datetime.combine(tomorrow if runs_on else local.date(), end), local, at)


def _instant(local: datetime, now: datetime, at: int) -> int:
    """When the clock shows that local time next; one that it leaves out, the moment of its change."""
    first, second = (_to_ms(local.replace(tzinfo=now.tzinfo, fold=fold)) for fold in (0, 1))
    if first > second:
        return _change_between(second, first, now.tzinfo)
    return first if first > at else max(second, at + 1)


def _change_between(before: int, after: int, zone: tzinfo | None) -> int:
    """When the clocks of the zone change, to the minute."""
    offset = _local(before, zone).utcoffset()
    while after - before > MINUTE_MS:
        middle = (before + after) // (2 * MINUTE_MS) * MINUTE_MS
        if _local(middle, zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after


def _local(at: int, zone: tzinfo | None) -> datetime:
    return (_EPOCH + timedelta(milliseconds=at)).astimezone(zone)


def _to_ms(moment: datetime) -> int:
    return (moment - _EPOCH) // _MS


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
