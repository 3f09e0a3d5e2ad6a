import io

from engine.ports import SinkContext
from sinks.stdout import Options, Sink


async def test_a_line_says_who_what_and_why_it_matters(action):
    stream = io.StringIO()
    sink = Sink(Options(), SinkContext(name="console", folder=".", project="p"), stream)
    await sink.send(action(text="Call Ada\ntoday \x1b[2J\u202e"))
    assert stream.getvalue() == (
        "2026-01-05T00:00:00.000Z URGENT call-the-champion -> ada (desk): "
        "Acme went quiet | Call Ada\\ntoday \\x1b[2J\\u202e\n"
    )
