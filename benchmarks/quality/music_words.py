"""What a live model is worth where there is little to learn from: a month of ninety listeners, the project in
`words/music`. The log has no cancellations; asked is who plays another song within three days.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from few import curve
from product import answers


def measure(data: Path, note: Callable[[str, float], None]) -> None:
    asked, report = answers("music", data, may_refuse=True)["stops-listening.plays"]
    note("music_words_judged", report.judged)
    note("music_words_share", round(report.share, 3))
    note("music_words_auc", round(report.learners[0].auc or 0.5, 3))
    note("music_words_auc_best_measure", round(report.rule_auc, 3))
    # Answers of one listener are alike, so those that are learned from and those that judge are different people.
    even = [one for one in asked if one.who % 2 == 0]
    curve(even, [one for one in asked if one.who % 2], "music", note)
