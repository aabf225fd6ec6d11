"""What does a text cost in a model's context?

An estimate that needs no model: four bytes a token, as JSON in English comes to with the tokenizers
of today, give or take a fifth.
"""

from mcp import types

BYTES_PER_TOKEN = 4


def tokens_in(text: str) -> int:
    return -(-len(text.encode()) // BYTES_PER_TOKEN)


def tokens_of(tool: types.Tool) -> int:
    """A tool's definition as it is listed."""
    return tokens_in(tool.model_dump_json(by_alias=True, exclude_none=True))
