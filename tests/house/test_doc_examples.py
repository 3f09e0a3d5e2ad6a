"""Every YAML example in README.md and docs/ is loaded as a reader would load it, and the tests in it are run.

A fragment is completed with what it leaves out: a few lines of project file, a detector's head, a play by that name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import Problem
from engine.shells.trials import run_tests
from engine.shells.wiring import check_configuration, plugins
from engine.spec.detectors import DetectorDocument
from engine.spec.project import ProjectDocument

ROOT = Path(__file__).parents[2]
# Examples that need what their own page defines are loaded by a test of their own.
APART = {"plugins.md": "test_plugins_page.py"}
PAGES = [ROOT / "README.md", *sorted(path for path in (ROOT / "docs").glob("*.md") if path.name not in APART)]
BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
TOP = re.compile(r"^(\w+):", re.MULTILINE)

PROJECT = {
    "project": "meadow",
    "entities": "{customer: customer, account: account, order: order, session: session, region: region, case: case, "
    "conversation: conversation, queue: queue}",
    "streams": "{app: {from: app.jsonl}, approvals: {from: a.jsonl, events: [fanout.approved, fanout.declined]}}",
    "sinks": "{log: {kind: stdout}, desk: {kind: stdout}, console: {kind: stdout}}",
    "channels": "{email: log, desk: desk, chat: log, system: log, sms: log, push: log}",
    "human": "{by: reply, say: Reply to this message to reach a person.}",
    "links": "{base: 'https://fix.example.com', key: 'env:KEY', does: [resend-invoice]}",
    "teams": "{billing-desk: {skills: [refunds]}}",
}
HEAD = {"detector": "example", "owner": "care", "reason": "errors", "per": "account"}
WATCH = {"watch": "{tickets: {count: ticket.opened, over: 7d}}", "when": "{tickets: {at_least: 5}}"}
PLAY = 'play: {name}\nchannel: email\nclass: service\nowner: care\ntext: "Call {{{{ account.name }}}}: {{{{ why }}}}"\n'
# Plays that examples name without showing them.
TO_COLLEAGUES = ("ring-them", "tell-the-data-team")
LATE = """owner: care
reason: late
per: account
watch: {late: {count: parcel.scanned, over: 1d}}
when: {late: {at_least: 3}}
"""
# What examples about models are about.
LIKELY = """detector: likely-to-cancel
owner: retention
reason: churn-risk
per: account
watch:
  logins: {count: usage.login, over: 28d}
  churn: {chance_of: subscription.cancelled, within: 30d, from: [logins], challenger: naive_bayes}
when: {churn: {at_least: 70%}}
"""
DETECTOR_KEYS = frozenset(DetectorDocument.__struct_encode_fields__)
PROJECT_KEYS = frozenset(ProjectDocument.__struct_encode_fields__)
AUDIENCES = ("customer", "owner", "system")


def blocks() -> Iterator[tuple[str, str]]:
    for path in PAGES:
        for found in BLOCK.finditer(path.read_text()):
            line = path.read_text()[: found.start()].count("\n") + 1
            yield f"{path.name}:{line}", found[1]


def completed(written: str, defaults: dict[str, str]) -> str:
    missing = [f"{key}: {value}" for key, value in defaults.items() if key not in TOP.findall(written)]
    return "\n".join([*missing, written])


def folder_with(folder: Path, written: str) -> Path:
    """A configuration around the example. A block that fits no kind of file fails here."""
    keys = set(TOP.findall(written))
    project, play, detector = "", "", ""
    if "snooze" in keys:
        write(folder / "snoozes.yml", written)
    elif "play" in keys:
        play = written
    elif keys & DETECTOR_KEYS - {"owner", "reason"}:
        bare = not keys & {"watch", "when"}
        detector = completed(written, {**HEAD, **(WATCH if bare else {})})
    elif keys and keys <= PROJECT_KEYS:
        project = written
    elif written.startswith("    map:"):
        project = f"streams:\n  rows:\n    from: rows.csv\n    format: csv\n{written}"
    else:
        pytest.fail(f"this is no kind of file that is known here, with the keys {keys}")
    names = dict.fromkeys(re.findall(r"[{ ]play: ([a-z-]+)", detector))
    project, play = with_plays_named_in(project, play)
    needed = PROJECT
    if "{en:" in written:
        needed = needed | {"languages": "[en, it]"}
    if "peers" in keys or "{profile: " in written:
        crm = "crm: {from: crm.jsonl, family: profile, describes: account}"
        desk = "desk: {from: desk.jsonl, family: profile, describes: queue}"
        needed = needed | {"streams": f"{{app: {{from: app.jsonl}}, {crm}, {desk}}}"}
    if asked := re.search(r"variant: {([a-z-]+): ([a-z-]+)}", detector):
        needed = needed | {"experiments": f"{{{asked[1]}: {{arms: {{{asked[2]}: {{}}, other: {{}}}}}}}}"}
    write(folder / "beforehand.yml", completed(project, needed))
    if changed := re.findall(r"plays:\s+{?([a-z-]+):|use: ([a-z-]+)", project):
        named = dict.fromkeys([*names, *(one or other for one, other in changed)])
        more = [PLAY.format(name=name) + "to: owner\n" * (name in TO_COLLEAGUES) for name in named]
        play = "---\n".join([*([play] if play else []), *(one for one in more if one.split("\n")[0] not in play)])
    write(folder / "playbooks" / "plays.yml", play or "---\n".join(plays(list(names), detector)))
    muting = [
        *others(project),
        *(LATE + f"detector: {name}\n" for name in re.findall(r"detectors: {([a-z-]+):", project)),
    ]
    write(folder / "detectors" / "detectors.yml", "---\n".join([detector, *others(detector)] if detector else muting))
    return folder


def with_plays_named_in(project: str, play: str) -> tuple[str, str]:
    """The project and the plays of an example, with a play for each name that its rules mention."""
    tags = re.findall(r"\btag: ([a-z-]+)", project)
    if tags:
        play = PLAY.format(name="tagged") + f"tags: [{', '.join(tags)}]\n"
    if muted := re.findall(r"mutes: \[?([a-z, -]+)", project):
        names = ", ".join(muted).split(", ")
        play = "---\n".join([*([play] if play else []), *(PLAY.format(name=name.strip()) for name in names)])
    if asking := re.findall(r"\bask: ([a-z-]+)", project):
        play = "---\n".join([*([play] if play else []), PLAY.format(name=asking[0]) + "to: owner\n"])
    if "capacity" in TOP.findall(project):
        play = "---\n".join([*([play] if play else []), PLAY.format(name="task") + "to: owner\n"])
    if instead := re.findall(r"^when_full: ([a-z-]+)", play, re.MULTILINE):
        project, play = "capacity: [{at_most: 8}]\n", f"{play}---\n{PLAY.format(name=instead[0])}to: system\n"
    handed = re.findall(r"hand_off:\s+\{?play: ([a-z-]+)", project)
    away = re.findall(r"^  away: ([a-z-]+)", project, re.MULTILINE)
    answering = [PLAY.format(name=name) + "to: owner\n" for name in handed] + [PLAY.format(name=name) for name in away]
    play = "---\n".join([*([play] if play else []), *answering])
    return project, play


def plays(names: list[str], detector: str) -> Iterator[str]:
    """A play for each name, in turn to another audience, as a detector may have one for each.

    Where there is `for_each`, its plays go to customers, and those beside it to a colleague.
    """
    told = re.findall(r"for_each: .*?play: ([a-z-]+)", detector, re.DOTALL) + re.findall(
        r"all_clear: ([a-z-]+)", detector
    )
    asking = re.findall(r"\bask: ([a-z-]+)", detector)
    for place, name in enumerate(dict.fromkeys([*names, *told, *asking])):
        audience = AUDIENCES[place % len(AUDIENCES)] if not told else "customer" if name in told else "owner"
        audience = "owner" if name in TO_COLLEAGUES else audience
        yield PLAY.format(name=name) + f"to: {audience}\n"


def others(detector: str) -> list[str]:
    """Detectors that the example asks about with `firing`."""
    if "per: model\n" in detector:
        return [LIKELY]
    named = re.findall(r"firing: \[?([a-z, -]+)", detector)
    names = {name for group in named for name in group.split(", ")} - set(re.findall(r"^detector: (.+)$", detector))
    head = [completed("", {**HEAD, **WATCH, "detector": name}) + "\n" for name in sorted(names)]
    return [text for text in head if f"detector: {text}" not in detector]


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if text:
        path.write_text(text)


def serious(problem: Problem) -> bool:
    return problem.code not in ("no-tests",)


@pytest.mark.parametrize("written", [pytest.param(text, id=place) for place, text in blocks()])
def test_an_example_is_sound_and_does_what_its_tests_say(written: str, tmp_path: Path) -> None:
    configuration, problems = check_configuration(folder_with(tmp_path, written))
    assert not [str(problem) for problem in problems if serious(problem)]
    assert configuration is not None
    failures = [failure for trial in run_tests(configuration, plugins()) for failure in trial.failures]
    assert not failures, "\n".join(failures)
