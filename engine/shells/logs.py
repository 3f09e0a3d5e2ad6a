"""Log lines: an event's name and key=value pairs on standard error. Never an id of a person, never a text of theirs."""

from __future__ import annotations

import logging
import sys
from typing import Literal

import structlog

Logger = structlog.typing.FilteringBoundLogger


def set_up(form: Literal["text", "json"] = "text", least: int = logging.INFO) -> None:
    """Configure logging once per process; `json` gives one JSON object per line, `least` leaves out what is below."""
    last: structlog.types.Processor = (
        structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def logger(part: str) -> Logger:
    log: Logger = structlog.get_logger(part=part)
    return log
