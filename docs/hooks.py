"""Hooks of MkDocs: patterns in the navigation, and parts of pages that are generated from the code.

MkDocs calls the functions whose names start with ``on_``.
"""

from __future__ import annotations

import fnmatch
import inspect
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent

STARS = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}

Nav = list[Any]


# -- navigation --------------------------------------------------------------------------------


def on_config(config: Any) -> Any:
    """Put pages where the patterns of the navigation stand, so that a new page needs no entry of its own."""
    pages = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
    config["nav"] = expanded(config["nav"], pages)
    return config


def expanded(nav: Nav, pages: list[str]) -> Nav:
    """Return the navigation with the pages that match its patterns, each page once, the narrowest pattern first."""
    entries = list(_entries(nav))
    free = [page for page in pages if page not in entries]
    found: dict[str, list[str]] = {}
    for pattern in sorted((entry for entry in entries if "*" in entry), key=len, reverse=True):
        found[pattern] = [page for page in free if _matches(page, pattern)]
        free = [page for page in free if page not in found[pattern]]
    return _filled(nav, found)


def _matches(page: str, pattern: str) -> bool:
    return page.count("/") == pattern.count("/") and fnmatch.fnmatch(page, pattern)


def _entries(nav: Nav) -> Iterator[str]:
    for entry in nav:
        if isinstance(entry, str):
            yield entry
        else:
            for below in entry.values():
                yield from _entries(_listed(below))


def _listed(below: str | Nav) -> Nav:
    """Return what stands under a title: several pages, or the one that has it."""
    return [below] if isinstance(below, str) else below


def _filled(nav: Nav, found: dict[str, list[str]]) -> Nav:
    filled: Nav = []
    for entry in nav:
        if isinstance(entry, str):
            filled += found.get(entry, [entry])
        else:
            filled.append(
                {
                    name: below if isinstance(below, str) else _filled(below, found)
                    for name, below in entry.items()
                }
            )
    return filled


# -- parts of pages ----------------------------------------------------------------------------


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace comments such as ``<!-- errors -->`` by the part that they name."""
    for name, make in PARTS.items():
        markdown = re.sub(
            rf"<!-- {name}((?: \S+)*) -->",
            lambda found, make=make: make(*found[1].split()),
            markdown,
        )
    return markdown


def api(path: str, variable: str, page: str) -> str:
    """Return a table of the public members of a class.

    Args:
        path: where it is imported from: ``deebase.Database``.
        variable: what an instance is called in the table.
        page: where its docstrings are.
    """
    module, _, name = path.rpartition(".")
    cls = getattr(import_module(module), name)
    rows = [
        f"| `{_call(variable, called, member)}` | {_summary(member)} |"
        for called, member in _members(cls).items()
        if not called.startswith("_") or called in ("__call__", "__getitem__")
    ]
    return "\n".join(
        [f"## {cls.__name__}", "", f"| call | in full: [{name}]({page}) |", "|---|---|", *rows]
    )


def _members(cls: type) -> dict[str, Any]:
    """Return the members of a class in the order of its source, those of its bases behind."""
    found: dict[str, Any] = {}
    for base in cls.__mro__:
        if base.__module__.startswith("deebase"):
            for name, member in vars(base).items():
                if inspect.isfunction(member) or isinstance(member, property):
                    found.setdefault(name, member)
    return found


def _call(variable: str, name: str, member: Any) -> str:
    if isinstance(member, property):
        return f"{variable}.{name}"
    signature = inspect.signature(member)
    given = ", ".join(_arguments(list(signature.parameters.values())[1:]))
    awaited = inspect.iscoroutinefunction(member) or "Coroutine" in str(signature.return_annotation)
    written = {"__call__": f"{variable}({given})", "__getitem__": f"{variable}[{given}]"}
    prefix = (
        "await "
        if awaited
        else "async for row in "
        if "AsyncIterator" in str(signature.return_annotation)
        else ""
    )
    return prefix + written.get(name, f"{variable}.{name}({given})")


def _arguments(parameters: list[inspect.Parameter]) -> Iterator[str]:
    starred = False
    for parameter in parameters:
        if parameter.annotation == "Never":
            # There only for the message of a wrong call.
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            starred = True
            yield "*"
        if parameter.kind is parameter.VAR_POSITIONAL:
            starred = True
        default = parameter.default
        if parameter.kind is parameter.POSITIONAL_ONLY and repr(default) == "UNSET":
            default = parameter.empty
        shown = (
            f"={default.__name__ if isinstance(default, type) else repr(default)}"
            if default is not parameter.empty
            else ""
        )
        yield f"{STARS.get(parameter.kind, '')}{parameter.name}{shown}"


def _summary(member: Any) -> str:
    return (inspect.getdoc(member) or "").partition("\n")[0].replace("``", "`").replace("|", "\\|")


def errors() -> str:
    """Return the tree of errors, each with its first line."""
    from deebase.errors import DeeBaseError

    def rows(kind: type[Any], depth: int) -> Iterator[str]:
        yield f"{'    ' * depth}* [`{kind.__name__}`](errors.md#{kind.__name__.lower()}): {_summary(kind)}"
        for child in kind.__subclasses__():
            if child.__module__ == "deebase.errors":
                yield from rows(child, depth + 1)

    return "\n".join(["## Errors", "", *rows(DeeBaseError, 0)])


def file(path: str) -> str:
    """Return a file of the repository as a block of code."""
    return f"```python\n{(DOCS.parent / path).read_text(encoding='utf-8').strip()}\n```"


PARTS: dict[str, Callable[..., str]] = {"api:": api, "errors": errors, "file:": file}


# -- for readers that are programs -------------------------------------------------------------


def on_post_build(config: Any) -> None:
    """Write each page as Markdown, and ``llms.txt``, which lists them; ``llms-full.txt`` is all of them in one."""
    site = Path(config["site_dir"])
    listed = [f"# {config['site_name']}\n\n> {config['site_description']}"]
    full: list[str] = []
    for entry in config["nav"]:
        section, below = (
            next(iter(entry.items())) if isinstance(entry, dict) else ("Start", [entry])
        )
        # The pages of api/ are made from docstrings, which the API card sums up.
        texts = {
            page: as_text(page) for page in _entries(_listed(below)) if not page.startswith("api/")
        }
        rows = [
            f"- [{_title(text)}]({page}): {_first_paragraph(text)}" for page, text in texts.items()
        ]
        listed.append("\n".join([f"## {section}\n", *rows]))
        full += texts.values()
        for page, text in texts.items():
            (site / page).write_text(text, encoding="utf-8")
    (site / "llms.txt").write_text("\n\n".join(listed) + "\n", encoding="utf-8")
    (site / "llms-full.txt").write_text("\n\n".join(full), encoding="utf-8")


def as_text(page: str) -> str:
    """Return a page as Markdown, with all that is put in when it is built."""
    text = on_page_markdown((DOCS / page).read_text(encoding="utf-8"))
    return re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL).strip() + "\n"


def _title(text: str) -> str:
    return text.partition("\n")[0].removeprefix("# ")


def _first_paragraph(text: str) -> str:
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    for paragraph in prose.split("\n\n")[1:]:
        if re.match(r"[\w`*\[]", paragraph):
            return re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", " ".join(paragraph.split()))
    return ""
