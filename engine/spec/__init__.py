"""YAML text in, typed specifications out, or every problem at once with file, line, column and a hint."""
