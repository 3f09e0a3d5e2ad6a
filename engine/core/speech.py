"""What a message says: its texts on its channel and in its reader's language, and what has to be in it.

What a message owes, such as the way to a person, is put around the text where the text does not say it itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

import msgspec

from engine.core.preference import languages_of
from engine.core.unit_state import Candidate
from engine.model import HumanPath, Json, Link
from engine.spec.messages import Words
from engine.spec.text import compile_text

Render: TypeAlias = Callable[[str, Mapping[str, Json]], str]
# What comes before a text that does not name it, and what comes after.
BEFORE = ("acknowledges",)
AFTER = ("next_step", "new_date", "human")


class Speech(msgspec.Struct, frozen=True, kw_only=True):
    """A message in words, and what goes with it."""

    title: str
    text: str
    language: str
    human: HumanPath | None
    link: Link | None


class _Voice:
    """Finds and fills in the texts of one message."""

    def __init__(self, candidate: Candidate, values: Mapping[str, Json], render: Render) -> None:
        self.channel = candidate.channel
        self.languages = _languages(candidate)
        self.values = dict(values)
        self.render = render

    def say(self, words: Words, otherwise: str = "") -> str:
        return self.render(self.source(words, otherwise), self.values)

    def source(self, words: Words, otherwise: str = "") -> str:
        return words.said(self.channel, self.languages) or otherwise


def speak(candidate: Candidate, action_id: str, values: Mapping[str, Json], render: Render) -> Speech:
    """The message of a chosen candidate. `values` are what its texts may name, `render` fills them in."""
    play, voice = candidate.play, _Voice(candidate, values, render)
    link = link_of(candidate, action_id)
    voice.values["resources"] = [msgspec.to_builtins(each) for each in play.resources]
    voice.values |= {"link": link.url} if link else {}
    owed = dict(_owed(candidate, voice))
    voice.values |= owed
    title = voice.say(play.titles, play.title)
    voice.values["title"] = title
    human = play.human
    return Speech(
        title=title,
        text=_whole(voice.source(play.texts, play.text), owed, voice, candidate.project.bounds.text_chars),
        language=voice.languages[0] if voice.languages else "",
        human=HumanPath(by=human.by, say=owed.get("human", ""), at=human.at) if human else None,
        link=link,
    )


def _languages(candidate: Candidate) -> tuple[str, ...]:
    """The language that the text is written in, and the default for what is not."""
    languages, texts = languages_of(candidate), candidate.play.texts.by_channel
    if len(languages) < 2:
        return languages
    written = texts.get(candidate.channel) or texts.get("", {})
    return languages if languages[0] in written else languages[1:]


def _owed(candidate: Candidate, voice: _Voice) -> Iterator[tuple[str, str]]:
    """The sentences that must not be missing, by the name under which a text may put them where it likes."""
    disruption, human = candidate.play.disruption, candidate.play.human
    if disruption is not None:
        for name, words in (
            ("acknowledges", disruption.acknowledges),
            ("next_step", disruption.next_step),
            ("new_date", disruption.new_date),
        ):
            if words.by_channel:
                yield name, voice.say(words)
    if human is not None:
        yield "human", voice.say(human.say)


def _whole(source: str, owed: Mapping[str, str], voice: _Voice, most: int) -> str:
    """The text with all that is owed. If that is too long, it is the text that is cut."""
    if not owed:
        return voice.render(source, voice.values)
    named = {use.root for use in compile_text(source).uses}
    before = [owed[name] for name in BEFORE if name not in named and owed.get(name)]
    after = [owed[name] for name in AFTER if name not in named and owed.get(name)]
    text = voice.render(source, voice.values)
    between = "\n\n" if "\n" in text else " "
    room = most - sum(len(part) + len(between) for part in (*before, *after))
    return between.join(part for part in (*before, text[: max(room, 0)], *after) if part)


def link_of(candidate: Candidate, action_id: str) -> Link | None:
    """The play's one-click link as it is kept: with the action's id where its signature will be."""
    link, links = candidate.play.link, candidate.project.messages.links
    if link is None or links is None:
        return None
    return Link(does=link.does, expires_at=candidate.now + link.expires_ms, url=f"{links.base}/{action_id}")
