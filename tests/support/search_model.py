"""What a search finds, said in Python: the simple tokenizer over ASCII words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from deebase._sql.search.search_text import parse


def is_found(text: str, texts: Iterable[str | None]) -> bool:
    """Whether a search finds a row with these texts: the simple tokenizer in Python."""
    listed = [re.findall("[a-z0-9]+", (one or "").lower()) for one in texts]

    def holds(term: Any) -> bool:
        wanted = [word.lower() for word in term.words]
        for words in listed:
            for at in range(len(words) - len(wanted) + 1):
                *head, last = words[at : at + len(wanted)]
                if head == wanted[:-1] and (last.startswith(wanted[-1]) if term.is_prefix else last == wanted[-1]):
                    return True
        return False

    asked = parse(text)
    has_all = not asked.finds_nothing and all(any(map(holds, group)) for group in asked.groups)
    return has_all and not any(map(holds, asked.without))
