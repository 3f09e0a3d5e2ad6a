"""One kind of measure or condition per file. `engine/ports.py` says what such a file must offer."""
