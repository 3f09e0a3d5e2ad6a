"""What a text is about, as a few short digests instead of the text, and how alike two such sketches are.

A text is taken apart into the runs of four letters in its words (of two in dense scripts, such as Chinese), so that an
ending, a plural or a spelling mistake costs little and a long word counts for more than a short one. The commonest
words of English and German, numbers, links and names after an @ are left out. Of the runs' digests the smallest are
kept, always by the same rule, so the share that two texts have in common can be told from those few (the bottom-k
sketch of Cohen and Kaplan, 2007).

A sketch holds no order, no numbers and no names after an @. It is still about what somebody wrote, and who tried hard
could guess words of it, as there are not so many runs of four letters: it is kept and forgotten like any other memory.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence

import xxhash

# Whoever changes how a text is taken apart changes this, so that old and new sketches are never compared.
TAKEN_APART = 2
KEPT = 48  # digests of one text, five bytes each on disk
LETTERS = 4
# Where a sign is a syllable or a word, or words are not told apart: Thai to Lao, kana, Han, Hangul.
_DENSE, DENSE_LETTERS = re.compile("[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]"), 2
READ_CHARS = 8_000  # what comes after is not read: a long text has said what it is about by then
LONGEST_WORD = 40

_LEFT_OUT = re.compile(r"https?://\S+|www\.\S+|(?<!\S)\S*@\S+|&#?\w+;")
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_TYPESET = "\u2019"  # the apostrophe that telephones write

_ENGLISH = """
    about after again all also always am an and any anybody anyone anything are aren't as at away back be because
    been before being best both but by came can can't cannot come could couldn't day days dear did didn't do does
    doesn't doing don't done down each either else even ever every everything few for from get gets getting give given
    go goes going gone gonna good got great guys had has hasn't have haven't having he hello help her here hey hi him
    his how i i'd i'll i'm i've if in into is isn't it it's its just keep keeps know last let like ll look made make
    makes many may maybe me might more most much must my need needs never new next no none nor not nothing now of off
    oh ok okay old on once one only or other our out over own please put rather re really regards right said same say
    says see seem seems she should since so some somebody someone something soon still such take takes tell than thank
    thanks that that's the their them then there there's these they they're thing things think this those though
    through time to today told tomorrow too tried try trying two under until up us use used using ve very via want
    wanted was wasn't way we we're we've well went were weren't what what's when where which while who whole why will
    with within without won't would wouldn't yes yesterday yet you you're your yours
    issue issues problem problems question questions support ticket tickets wrong
"""
_GERMAN = """
    aber alle allem allen alles als also am an andere auch auf aus bei beim bin bis bitte da damit danke dann das
    dass dein dem den denn der des dessen dich die dies diese diesem diesen dieser dieses dir doch dort du durch ein
    eine einem einen einer eines einfach er es etwas euch euer ganz gar geht gerne gibt grüße gruß guten habe haben
    hallo hat hatte heute hier ich ihm ihn ihnen ihr ihre ihrem ihren ihrer im immer in ins ist ja jetzt kann kein
    keine keinen können könnte leider liebe lieber mal man mehr mein meine meinem meinen meiner mich mir mit möchte
    morgen muss nach nicht nichts noch nun nur ob oder ohne schon sehr sehen sein seine seit sich sie sind so soll
    sollte sondern tag über um und uns unser unsere vom von vor war waren warum was wegen weil welche wenn werden wie
    wieder wir wird wo wurde würde zu zum zur
    falsch falsche fehler frage fragen problem probleme
"""
_COMMON = frozenset(_WORD.findall(_ENGLISH + _GERMAN))


def sketch_of(texts: Sequence[str], left_out: Collection[str] = ()) -> list[int]:
    """At most KEPT digests of 32 bits, ascending; none where the texts say nothing of their own.

    `left_out` are further words to leave out, in the form that `plain` gives.
    """
    runs = {run for text in texts for word in words_of(text, left_out) for run in _runs(word)}
    return sorted({xxhash.xxh32_intdigest(run.encode()) for run in runs})[:KEPT]


def likeness(one: Collection[int], other: Collection[int]) -> float:
    """From 0, nothing in common, to 1, the same; whichever of the two comes first."""
    mine, theirs = frozenset(one), frozenset(other)
    both = mine & theirs
    if not both:
        return 0.0
    smallest = sorted(mine | theirs)[:KEPT]
    return sum(digest in both for digest in smallest) / len(smallest)


def is_alike(one: frozenset[int], other: frozenset[int], least: float) -> bool:
    """Is their likeness that much at least? Most pairs have too little in common for it, which is soon told."""
    both = len(one & other)
    compared = min(KEPT, len(one) + len(other) - both)
    return both > 0 and both / compared >= least and likeness(one, other) >= least


def words_of(text: str, left_out: Collection[str] = ()) -> Iterator[str]:
    """The words that may tell what it is about, in order."""
    for word in _WORD.findall(_LEFT_OUT.sub(" ", plain(text[:READ_CHARS]))):
        if len(word) > 1 and word not in _COMMON and word not in left_out:
            yield word[:LONGEST_WORD]


def is_word(written: str) -> bool:
    """Is it one word that is not left out already?"""
    return list(words_of(written)) == [plain(written)]


def plain(text: str) -> str:
    """Without the differences between letters that mean the same, and without signs on letters that are no part of one,
    as the vowels of Hindi or Arabic are: a word would end at each.
    """
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKC", text).replace(_TYPESET, "'").lower()
    return "".join(letter for letter in text if letter.isascii() or unicodedata.category(letter)[0] != "M")


def _runs(word: str) -> Iterator[str]:
    """Its beginning and its end are told from its middle."""
    line, letters = f" {word} ", DENSE_LETTERS if _DENSE.search(word) else LETTERS
    for start in range(max(1, len(line) - letters + 1)):
        yield line[start : start + letters]
