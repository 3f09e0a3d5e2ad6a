"""CloudEvents 1.0 in JSON, carried into the event shape."""

from __future__ import annotations

import re

from engine.core.decode import Reason, Refused, shown
from engine.model import Json

# What the envelope is made of; other top-level names are extensions.
_ENVELOPE = frozenset({"specversion", "id", "source", "type", "time", "datacontenttype", "dataschema", "data"})
_OUR_SCHEMA = re.compile(r"urn:beforehand:event:(\d{1,9})")


def is_cloud_event(fields: dict[str, Json]) -> bool:
    return "specversion" in fields


def in_event_shape(fields: dict[str, Json]) -> dict[str, Json]:
    """The same event with `id`, `event` and `at` at the top, and extensions, `subject` and data beside them.

    Ids are unique per source only, so the source becomes part of the id.
    """
    _refuse_other_versions(fields)
    if "data_base64" in fields:
        raise Refused(Reason.WRONG_TYPE, "'data_base64' is binary data: send JSON in 'data'")
    data = fields.get("data")
    if data is not None and not isinstance(data, dict):
        raise Refused(Reason.WRONG_TYPE, f"'data' is {shown(data)}: expected a JSON object")
    event_id = f"{_required(fields, 'source')}/{_required(fields, 'id')}"
    extensions = {name: value for name, value in fields.items() if name not in _ENVELOPE}
    named = {"id": event_id, "event": _required(fields, "type"), "at": fields.get("time")}
    return {**extensions, **(data or {}), **named}


def _required(fields: dict[str, Json], name: str) -> str:
    value = fields.get(name)
    if value is None or value == "":
        raise Refused(Reason.MISSING_FIELD, f"{name!r} is missing, which CloudEvents requires")
    if not isinstance(value, str):
        raise Refused(Reason.WRONG_TYPE, f"{name!r} is {shown(value)}: expected a text")
    return value


def _refuse_other_versions(fields: dict[str, Json]) -> None:
    version = fields["specversion"]
    if not isinstance(version, str) or not version.startswith("1."):
        raise Refused(
            Reason.FUTURE_SCHEMA, f"'specversion' is {shown(version)}: this version of the engine reads '1.0'"
        )
    ours = _OUR_SCHEMA.fullmatch(str(fields.get("dataschema", "")))
    if ours and int(ours[1]) > 1:
        raise Refused(Reason.FUTURE_SCHEMA, f"'dataschema' is event shape {ours[1]}: this version reads 1")
