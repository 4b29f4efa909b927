"""Forms of a page: what a browser without a script sends when a button is clicked."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

#: A name, and what is sent for it: a text, or a file.
Pair = tuple[str, str | bytes]


@dataclass
class Form:
    """A form of a page.

    Attributes:
        method: in capitals.
        action: the address, or None for that of the page.
        kind: how it is sent.
        pairs: the names and values of its inputs.
        files: the names of its files.
        choices: the values of each select.
        controls: the type of each input, or the name of its element.
        buttons: name and value of each button.
    """

    method: str = "GET"
    action: str | None = None
    kind: str | None = None
    pairs: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    files: list[str] = field(default_factory=list[str])
    choices: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    controls: dict[str, str] = field(default_factory=dict[str, str])
    buttons: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def value(self, name: str) -> str | None:
        """Return what is sent for a name; the last of several."""
        return next((text for known, text in reversed(self.pairs) if known == name), None)

    def filled(self, changes: dict[str, str | None]) -> list[tuple[str, str]]:
        """Return what is sent after some inputs were changed; None unticks a checkbox."""
        kept = [pair for pair in self.pairs if pair[0] not in changes or pair[0] == "key"]
        hidden = [pair for pair in self.pairs if pair[0] in changes and changes[pair[0]] is None][:1]
        made = [*kept, *hidden, *[(name, text) for name, text in changes.items() if text is not None]]
        # A browser ends each line like this.
        return [(name, text.replace("\r\n", "\n").replace("\n", "\r\n")) for name, text in made]


class FormReader(HTMLParser):
    """Finds the forms of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._select: str | None = None
        self._chosen: str | None = None
        self._textarea: str | None = None
        self._text = ""
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: "" if value is None else value for name, value in attrs}
        if tag == "form":
            self._inside = True
            self.forms.append(Form(given.get("method", "get").upper(), given.get("action"), given.get("enctype")))
        if not self._inside:
            return
        form, name = self.forms[-1], given.get("name", "")
        if tag == "button":
            form.buttons.append((name, given.get("value", "")))
        elif tag == "input" and name:
            self._input(form, name, given)
        elif tag == "select":
            self._select, self._chosen = name, None
            form.choices[name] = []
            form.controls[name] = "select"
        elif tag == "option" and self._select is not None:
            value = given.get("value", "")
            form.choices[self._select].append(value)
            if "selected" in given or self._chosen is None:
                self._chosen = value
        elif tag == "textarea":
            self._textarea, self._text = name, ""
            form.controls[name] = "textarea"

    @staticmethod
    def _input(form: Form, name: str, given: dict[str, str]) -> None:
        kind = given.get("type", "text")
        if kind != "hidden":
            form.controls[name] = kind
        if kind == "file":
            form.files.append(name)
        elif kind != "checkbox" or "checked" in given:
            form.pairs.append((name, given.get("value", "")))

    def handle_data(self, data: str) -> None:
        if self._textarea is not None:
            self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
        elif tag == "select" and self._select is not None and self._inside:
            self.forms[-1].pairs.append((self._select, self._chosen or ""))
            self._select = None
        elif tag == "textarea" and self._textarea is not None:
            # The first line break after the tag belongs to the tag.
            self.forms[-1].pairs.append((self._textarea, self._text.removeprefix("\n")))
            self._textarea = None
