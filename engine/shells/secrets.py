"""Reads secrets from where a reference says they are: `env:NAME` or `file:PATH`.

The configuration holds references only, so it can be printed, compared and committed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar, get_type_hints

import msgspec

from engine.errors import OperatorError
from engine.ports import As, Secret

Options = TypeVar("Options", bound=msgspec.Struct)

SECRET_BYTES = 65_536
LEAST_KEY = 16


def read_secret(reference: str, folder: str = ".") -> Secret:
    """The secret behind a reference; a relative file starts at `folder`. Raises OperatorError where there is none."""
    scheme, _, place = reference.partition(":")
    match scheme:
        case "env" if place:
            value = os.environ.get(place, "")
        case "file" if place:
            value = _content(reference, Path(folder) / place)
        case _:
            # What was written may be the secret itself, so the message does not repeat it.
            raise OperatorError("A secret is written as env:NAME or file:PATH, never as the value itself")
    if not value:
        raise OperatorError(f"The secret {reference} is empty or not set")
    return Secret(reference, value)


def read_key(reference: str, folder: str, whose: str) -> Secret:
    """A secret that signs `whose` things. Raises OperatorError also for one that is short enough to be guessed."""
    key = read_secret(reference, folder)
    if len(key.reveal().encode()) < LEAST_KEY:
        raise OperatorError(f"The key {reference} of {whose} has to have at least {LEAST_KEY} bytes")
    return key


def with_secrets(options: Options, folder: str = ".") -> Options:
    """The same options with every secret read. Raises OperatorError for the first that cannot be."""
    read = {name: read_secret(_reference(value), folder) for name, value in _secrets(options).items()}
    return msgspec.structs.replace(options, **read) if read else options


def _secrets(options: msgspec.Struct) -> dict[str, Secret | str]:
    hints = get_type_hints(type(options), include_extras=True)
    marked = [name for name, hint in hints.items() if As.SECRET in getattr(hint, "__metadata__", ())]
    return {name: value for name in marked if (value := getattr(options, name)) is not None and value != ""}


def _reference(value: Secret | str) -> str:
    return value.reference if isinstance(value, Secret) else value


def _content(reference: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(SECRET_BYTES).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(f"The secret {reference} cannot be read: {error.__class__.__name__}") from error
