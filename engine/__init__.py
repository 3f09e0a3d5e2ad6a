"""The engine: events in, signals, decisions and actions out. `docs/architecture.md` is its map."""
