"""Forms that a browser sends: bounded in size, with the CSRF token of that browser, files among their texts."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Receive

from deebase import InvalidOperationError, ValidationError
from deebase.web._studio.site import Site
from deebase.web.security import CSRF_FIELD

#: Bytes of a form, and of the files in it. The page with the change holds files in base64.
MOST_BYTES, MOST_FILE = 4 * 2**20, 2**20
MOST_FIELDS, MOST_FILES = 2000, 100
#: What a form asks for: to see the form again, to see the change, or to make it.
STEP, FORM, REVIEW, APPLY = "step", "form", "review", "apply"


@dataclass(frozen=True)
class Posted:
    """The texts of a form.

    Attributes:
        pairs: names and texts in the order of the form; a file is the text of its bytes in base64.
    """

    pairs: tuple[tuple[str, str], ...] = ()

    def last(self, name: str) -> str | None:
        """Return the last text of a name; None if the form has none. A checkbox comes after what it overrides."""
        return next((text for known, text in reversed(self.pairs) if known == name), None)

    def all(self, name: str) -> list[str]:
        """Return the texts of a name."""
        return [text for known, text in self.pairs if known == name]

    def file(self, name: str) -> bytes | None:
        """Return the bytes of a file; None if the form has none.

        Raises:
            ValidationError: the text is not base64.
        """
        text = self.last(name)
        if text is None:
            return None
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise ValidationError("the file is not complete", field=name, hint="choose it again") from error

    @property
    def step(self) -> str:
        """What the form asks for; to see the change unless it says otherwise."""
        return self.last(STEP) or REVIEW

    def kept(self) -> list[tuple[str, str]]:
        """Return the pairs that the next form holds again."""
        return [pair for pair in self.pairs if pair[0] not in (STEP, CSRF_FIELD)]

    def only(self, names: Iterable[str]) -> Posted:
        """Return a form with some names of this one."""
        wanted = set(names)
        return Posted(tuple([pair for pair in self.pairs if pair[0] in wanted]))


async def posted(site: Site, request: Request) -> Posted:
    """Return the form of a request.

    Raises:
        InvalidOperationError: it lacks the CSRF token of the browser.
        ValidationError: it is too large, or not a form.
    """
    try:
        form = await Request(request.scope, _bounded(request)).form(
            max_files=MOST_FILES, max_fields=MOST_FIELDS, max_part_size=MOST_BYTES
        )
    except HTTPException as error:
        raise ValidationError("the form cannot be read", field="form", hint=str(error.detail)) from error
    pairs: list[tuple[str, str]] = []
    try:
        for name, item in form.multi_items():
            if not isinstance(item, UploadFile):
                pairs.append((name, item))
            elif item.filename:
                data = await item.read(MOST_FILE + 1)
                if len(data) > MOST_FILE:
                    raise ValidationError(
                        f"the file is larger than {MOST_FILE // 2**20} MiB",
                        field=name,
                        hint="store it with a program: await table.update(...)",
                    )
                pairs.append((name, base64.b64encode(data).decode("ascii")))
    finally:
        await form.close()
    found = Posted(tuple(pairs))
    if not site.protection.has_csrf_token(request, found.last(CSRF_FIELD)):
        raise InvalidOperationError(
            "the form does not belong to this browser", operation="change", hint="open its page again"
        )
    return found


def _bounded(request: Request) -> Receive:
    """Return what receives the body of a request, and refuses one that is too large."""
    received = 0

    async def receive() -> Message:
        nonlocal received
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > MOST_BYTES:
            raise ValidationError(
                f"the form is larger than {MOST_BYTES // 2**20} MiB", field="form", hint="change fewer values at once"
            )
        return message

    return receive
