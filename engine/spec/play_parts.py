"""What a play's message is made of: texts, the way to a person, what a disruption needs, resources, link, assignee."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, TypeAlias

import msgspec

from engine.model import DAY_MS, Resource
from engine.ports import As
from engine.spec.messages import Assign, Disruption, HumanSpec, LinkSpec, Urgency, Words
from engine.spec.nodes import ListNode, MappingNode, Node, ScalarNode
from engine.spec.project_messages import read_human
from engine.spec.reading import read
from engine.spec.report import unknown
from engine.spec.text import compile_text
from engine.spec.types import Place
from engine.spec.values import Span
from engine.spec.wording import check_text, compiled_at
from engine.spec.words import Where, read_words
from engine.spec.world import World

About: TypeAlias = Literal["outage", "incident", "delay"]
# What has no meaning for a colleague or a system.
CUSTOMERS_ONLY = ("human", "about", "acknowledges", "next_step", "new_date", "link", "topic", "urgency")
SENTENCES = ("acknowledges", "next_step", "new_date")


class ResourceDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of `resources`."""

    title: Annotated[str, As.TEXT, "what it is called"]
    url: Annotated[str, As.URL, "where it is"]
    kind: Annotated[Literal["article", "video", "link"], "what it is"] = "link"


class LinkDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A one-click fix as it is written."""

    does: Annotated[str, As.TEXT, "what a click does, one of the project's 'links'"]
    expires: Annotated[int, As.DURATION, Span(1, 400 * DAY_MS), "how long it may be clicked"]


class ElseDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Who gets it where nobody owns the entity."""

    team: Annotated[str, As.TEXT, "this team"] = ""
    skill: Annotated[str, As.TEXT, "the first team that has this skill"] = ""


class AssignDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Which colleague gets it, as it is written."""

    owner_of: Annotated[str, As.TEXT, "the owner of this entity, by its attribute 'owner'"] = ""
    else_: Annotated[ElseDocument | None, "who gets it otherwise"] = msgspec.field(default=None, name="else")


class PartKeys(msgspec.Struct, frozen=True, kw_only=True):
    """What a play's document says of its message."""

    to: str
    channel: str
    fallback: tuple[str, ...]
    urgency: Urgency | None
    text: Node
    title: Node | None
    human: Node | None
    about: About | None
    sentences: Mapping[str, Node | None]
    resources: Node | None
    link: LinkDocument | None
    assign: AssignDocument | None


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """The same in its typed form. `nodes` are all its texts that compile, `names` what those may say besides."""

    channels: tuple[str, ...]
    texts: Words
    titles: Words
    human: HumanSpec | None
    disruption: Disruption | None
    resources: tuple[Resource, ...]
    link: LinkSpec | None
    assign: Assign | None
    nodes: tuple[ScalarNode, ...]
    names: frozenset[str]


def read_parts(keys: PartKeys, nodes: Mapping[str, Node], place: Place, world: World) -> Parts:
    """Read them all; `place` is where the play stands. What is wrong goes to the world's report."""
    channels = _channels(keys, nodes, place, world)
    where = Where(known=world.channels, languages=world.project.messages.languages, channels=channels)
    texts, said = read_words(keys.text if "text" in nodes else None, where, world.scope)
    titles, headlines = read_words(keys.title, msgspec.structs.replace(where, is_owed=False), world.scope)
    sentences = {name: read_words(node, where, world.scope) for name, node in keys.sentences.items()}
    disruption = _disruption(keys.about, sentences, nodes, world)
    link = _link(keys.link, nodes, texts, titles, world)
    leaves = (*headlines, *said, *(node for _words, found in sentences.values() for node in found))
    return Parts(
        channels=channels,
        texts=texts,
        titles=titles,
        human=_human(keys, where, place, world),
        disruption=disruption,
        resources=tuple(_resources(keys.resources, world)),
        link=link,
        assign=_assign(keys.assign, nodes, world),
        nodes=tuple(node for node in (*leaves, *_say(keys.human)) if compiled_at(node, world)),
        names=_names(keys, sentences),
    )


def _names(keys: PartKeys, sentences: Mapping[str, tuple[Words, tuple[ScalarNode, ...]]]) -> frozenset[str]:
    """What only this play's texts may name."""
    names = {name for name, (words, _nodes) in sentences.items() if words.by_channel}
    names |= {"human"} if keys.to == "customer" else set()
    names |= {"link"} if keys.link else set()
    return frozenset(names | ({"resources"} if keys.resources else set()))


# ---- the way it goes


def _channels(keys: PartKeys, nodes: Mapping[str, Node], place: Place, world: World) -> tuple[str, ...]:
    """Its channel, its fallbacks, and those that suit its urgency."""
    given = (*((keys.channel,) if keys.channel else ()), *keys.fallback)
    if keys.urgency is None:
        if not {"channel", "urgency"} & nodes.keys():
            message = "missing key 'channel': the way it goes, one of the project's channels"
            world.report.error(place, "missing-key", message)
        return given
    suits = world.project.messages.strategy[keys.urgency]
    there = [channel for channel in suits if channel in world.channels]
    if not there:
        message = f"none of its channels is in 'channels': {', '.join(suits)} - add one, or say so in 'strategy'"
        world.report.error(nodes["urgency"], "unknown-channel", message)
    return tuple(dict.fromkeys((*given, *there)))


# ---- the way to a person


def _human(keys: PartKeys, where: Where, place: Place, world: World) -> HumanSpec | None:
    if keys.to != "customer":
        return None
    if keys.human is not None:
        return read_human(keys.human, where, world.scope)
    if world.project.messages.human is None:
        message = "a message to a customer needs a way to a person - add 'human' here, or once in the project file"
        world.report.error(place, "missing-human", message)
    return world.project.messages.human


def _say(human: Node | None) -> Iterator[ScalarNode]:
    """The sentences of a play's own way to a person."""
    say = human.get("say") if isinstance(human, MappingNode) else None
    if say is not None:
        yield from scalars(say)


def check_human(node: Node | None, world: World) -> None:
    """Check the sentences of the project's own way to a person, which are said in every message."""
    for sentence in _say(node):
        check_text(sentence, frozenset(), world)


def scalars(node: Node) -> Iterator[ScalarNode]:
    """All texts below a node."""
    if isinstance(node, ScalarNode):
        yield node
    elif isinstance(node, MappingNode):
        for _key, value in node:
            yield from scalars(value)


# ---- disruptions


def _disruption(
    about: About | None,
    sentences: Mapping[str, tuple[Words, tuple[ScalarNode, ...]]],
    nodes: Mapping[str, Node],
    world: World,
) -> Disruption | None:
    """Who is told of trouble hears that we know of it, and what comes next."""
    given = {name: words for name, (words, _nodes) in sentences.items() if name in nodes}
    if about is None:
        for name in given:
            message = f"'{name}' goes with 'about: outage', 'incident' or 'delay'"
            world.report.error(nodes[name], "unused-option", message)
        return None
    if "acknowledges" not in given:
        message = f"who is told of an {about}" if about != "delay" else "who is told of a delay"
        message += " has to hear that it is known - add 'acknowledges', a sentence that says so"
        world.report.error(nodes["about"], "missing-key", message)
    if not {"next_step", "new_date"} & given.keys():
        message = "they have to hear what comes next - add 'next_step' or 'new_date'"
        world.report.error(nodes["about"], "missing-key", message)
    return Disruption(about=about, **{name: words for name, (words, _nodes) in sentences.items()})


# ---- what goes with it


def _resources(node: Node | None, world: World) -> Iterator[Resource]:
    if node is None:
        return
    if not isinstance(node, ListNode) or not node.items:
        message = "write them as a list, as in [{title: First steps, url: https://example.com/first, kind: article}]"
        world.report.error(node, "wrong-type", message)
        return
    for item in node.items:
        written = read(item, ResourceDocument, world.scope)
        if written is not None and written.sound:
            yield Resource(**msgspec.structs.asdict(written.value))


def _link(
    document: LinkDocument | None, nodes: Mapping[str, Node], texts: Words, titles: Words, world: World
) -> LinkSpec | None:
    if document is None:
        return None
    links = world.project.messages.links
    if links is None:
        message = "the project file does not say where links lead - add 'links' there, with 'base', 'key' and 'does'"
        world.report.error(nodes["link"], "no-links", message)
    elif document.does and document.does not in links.does:
        world.report.error(nodes["link"], "unknown-link", unknown("link", document.does, links.does))
    sources = [source for source in (*texts.all, *titles.all) if _compiles(source)]
    if not any(use.root == "link" for source in sources for use in compile_text(source).uses):
        world.report.error(nodes["link"], "no-effect", "no text names {{ link }}, so nobody could click it")
    return LinkSpec(does=document.does, expires_ms=document.expires)


def _compiles(source: str) -> bool:
    try:
        compile_text(source)
    except ValueError:
        return False  # reported where the texts are read
    return True


# ---- who gets it


def _assign(document: AssignDocument | None, nodes: Mapping[str, Node], world: World) -> Assign | None:
    if document is None:
        return None
    at, teams = nodes["assign"], world.project.messages.teams
    if "desk" in nodes:
        world.report.error(at, "unused-option", "'desk' says who gets it already - take one of them away")
    if document.owner_of and document.owner_of not in world.entities:
        world.report.error(at, "unknown-entity", unknown("entity", document.owner_of, world.entities))
    other = document.else_ or ElseDocument()
    if bool(other.team) == bool(other.skill):
        message = "'else' names a team or a skill, as in else: {skill: billing}"
        world.report.error(at, "missing-key" if not other.team else "bad-choice", message)
        return None
    if other.team and other.team not in teams:
        world.report.error(at, "unknown-team", unknown("team", other.team, teams))
    return Assign(owner_of=document.owner_of, team=other.team or _skilled(other.skill, at, world))


def _skilled(skill: str, at: Node, world: World) -> str:
    teams = world.project.messages.teams
    found = next((team for team, skills in teams.items() if skill in skills), "")
    if not found:
        known = {each for skills in teams.values() for each in skills}
        world.report.error(at, "unknown-skill", unknown("skill", skill, known, " of any team"))
    return found
