"""What people have agreed to, and by which channel they want to hear from us.

The newest word on a channel and purpose counts, in event time. Marketing needs a yes; everything else goes unless there
is a no.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from engine.core.matching import read_path
from engine.core.moments import spoken_moment
from engine.core.preference import preferred_channel, unwanted_topic
from engine.core.unit_state import Candidate, UnitState, Word
from engine.model import Event, Json
from engine.spec.policies import ConsentSpec, StopWords
from engine.spec.types import PlaySpec

# Channels and purposes come from outside, so what is remembered of one person is bounded.
MOST_WORDS = 100


def is_consent(event: Event, spec: ConsentSpec) -> bool:
    """Does it say something about consent, so that it is no profile?"""
    return event.event in (*spec.given, *spec.withdrawn) or (spec.stop is not None and event.event == spec.stop.event)


def remember_consent(unit: UnitState, whose: str, event: Event, spec: ConsentSpec) -> None:
    """Keep what the event says of that person, whatever order such events come in."""
    if spec.stop is not None and event.event == spec.stop.event:
        if _says_stop(event, spec.stop):
            _keep(unit, whose, Word(spec.stop.channel, "", given=False, at=event.at))
        return
    given = event.event in spec.given
    channels, purposes = (_named(event.attributes.get(name), given=given) for name in ("channel", "purpose"))
    for channel, purpose in product(channels, purposes):
        _keep(unit, whose, Word(channel, purpose, given=given, at=event.at))


def _named(value: Json, *, given: bool) -> tuple[str, ...]:
    """What a yes or no is about: "" = everything. What cannot be read is a no to everything, and a yes to nothing."""
    items = value if isinstance(value, list) else [value or ""]
    texts = tuple(item for item in items if isinstance(item, str))
    return texts if len(texts) == len(items) else () if given else ("",)


def _says_stop(event: Event, stop: StopWords) -> bool:
    said = read_path(event.attributes, stop.field)
    words = {word.casefold() for word in stop.words}
    return isinstance(said, str) and said.strip(" .!\t\r\n").casefold() in words


def _keep(unit: UnitState, whose: str, word: Word) -> None:
    words = unit.consent.setdefault(whose, [])
    same = [one for one in words if (one.channel, one.purpose) == (word.channel, word.purpose)]
    newest = min([*same, word], key=_newest_first)
    kept = [one for one in words if one not in same] + [newest]
    unit.consent[whose] = sorted(kept, key=_newest_first)[:MOST_WORDS]


def _newest_first(word: Word) -> tuple[int, bool, str, str]:
    """Of a yes and a no at the same moment, the no counts."""
    return -word.at, word.given, word.channel, word.purpose


# ---- the gate


def missing_consent(candidate: Candidate) -> str:
    """The sentence that says why this person must not be written to on this channel; "" if they may be."""
    spec, play = candidate.project.policies.consent, candidate.play
    if topic := unwanted_topic(candidate):
        return f"{candidate.recipient} does not want the topic {topic}"
    if spec is None:
        return ""
    words = sorted(_words(candidate, spec), key=_newest_first)
    if words and words[0].given:
        return ""
    whom = f"{candidate.recipient} on {candidate.channel}"
    if words:
        since = f" since {spoken_moment(words[0].at)}" if words[0].at else ""
        return f"{whom} does not want {words[0].purpose or 'anything'}{since}"
    return f"{whom} has not agreed to marketing" if play.purpose == "marketing" else ""


def _words(candidate: Candidate, spec: ConsentSpec) -> Iterator[Word]:
    """All that was said about this channel and a purpose of this play."""
    yield from _spoken(candidate.unit, candidate.recipient, candidate.channel, candidate.play)
    attribute = spec.attributes.get(candidate.channel)
    if attribute and candidate.play.purpose == "marketing":
        said = candidate.profile_of(candidate.recipient.partition(":")[0]).get(attribute)
        if isinstance(said, bool):
            at = candidate.unit.attribute_times.get(candidate.recipient, {}).get(attribute, 0)
            yield Word(candidate.channel, "marketing", given=said, at=at)


def _spoken(unit: UnitState, whose: str, channel: str, play: PlaySpec) -> Iterator[Word]:
    """What they have said in words of their own, not what their profile says."""
    purposes = ("", play.purpose, *play.tags)
    for word in unit.consent.get(whose, ()):
        if word.channel in ("", channel) and word.purpose in purposes:
            yield word


def is_refused(unit: UnitState, whose: str, channel: str, play: PlaySpec, spec: ConsentSpec) -> str:
    """Why something that was decided must not go out any more; "" if it may. Names nobody.

    It is asked after every word and every profile that comes, so that what counts is a no that is the newest.
    """
    words = list(_spoken(unit, whose, channel, play))
    attribute = spec.attributes.get(channel, "") if play.purpose == "marketing" else ""
    said = unit.attributes.get(whose, {}).get(attribute) if attribute else None
    if isinstance(said, bool):
        at = unit.attribute_times.get(whose, {}).get(attribute, 0)
        words.append(Word(channel, "marketing", given=said, at=at))
    newest = min(words, key=_newest_first, default=None)
    if newest is None or newest.given:
        return ""
    return f"they do not want {newest.purpose or 'anything'} by {channel} any more"


# ---- the channel


def channels_of(candidate: Candidate) -> tuple[str, ...]:
    """The channels a play may go by, the one that its recipient prefers first."""
    play = candidate.play
    channels = (play.channel, *play.fallback)
    if not play.fallback:
        return channels
    preferred = preferred_channel(candidate)
    return tuple(sorted(channels, key=lambda channel: channel != preferred))
