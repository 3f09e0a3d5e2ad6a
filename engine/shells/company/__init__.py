"""Northwind Parcels, a small invented company whose week can be simulated from a seed.

`simulate` gives the events of the week beside the stories planted in them, `write` puts them on disk as a project's
streams would arrive. The demo, the tutorial and the quality reports stand on it: what was planted is known, so what the
engine says can be held against it.
"""

from engine.shells.company.files import LATE_LINES, MALFORMED_LINES, REPEATED_LINES, write
from engine.shells.company.people import Account, Customer
from engine.shells.company.simulation import MONDAY_MS, Company, simulate
from engine.shells.company.stories import NearMiss, Story

__all__ = [
    "LATE_LINES",
    "MALFORMED_LINES",
    "MONDAY_MS",
    "REPEATED_LINES",
    "Account",
    "Company",
    "Customer",
    "NearMiss",
    "Story",
    "simulate",
    "write",
]
