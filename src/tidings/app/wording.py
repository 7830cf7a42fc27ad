"""What libraries say, in our words."""

from __future__ import annotations


def plain(error: Exception) -> str:
    """The message of the decoder, which names the field, in our typography."""
    return str(error).replace(" - at `$.", ", at `").replace(" - at `$", ", at `").replace("`", "")
