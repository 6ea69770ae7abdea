"""The one layout of the language: `format_source` gives a file's text in it.

Comments stay, in their order; so does every token but commas at the end of a list. Lines end in a
line feed, there is no byte-order mark, and the file ends with one line end.
"""

from rules_engine.language.formatting.formatter import CannotReproduce, Formatted, format_source

__all__ = ["CannotReproduce", "Formatted", "format_source"]
