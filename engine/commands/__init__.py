"""Commands that have a file of their own; `engine/cli.py` puts them together."""
