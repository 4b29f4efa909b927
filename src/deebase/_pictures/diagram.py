"""A diagram of tables in several formats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy.engine import Dialect

from deebase._pictures import text_formats as texts
from deebase._pictures.boxes import boxes_of, links_of
from deebase._pictures.svg import STYLE, svg
from deebase._rows.model import TableModel


class Diagram:
    """Tables and their foreign keys: Mermaid text by ``str()``, a picture in a notebook."""

    def __init__(self, tables: Iterable[TableModel], views: Iterable[TableModel], dialect: Dialect) -> None:
        # Only Database creates diagrams, so these types are not part of the public interface.
        models = list(tables)
        self._boxes = [*boxes_of(models, dialect), *boxes_of(views, dialect, views=True)]
        self._links = links_of(models)

    def __str__(self) -> str:
        return self.mermaid

    def __repr__(self) -> str:
        return f"<Diagram of {len(self._boxes)} tables: str() is Mermaid text; .svg, .dot>"

    @property
    def mermaid(self) -> str:
        """An ``erDiagram`` of Mermaid, which many Markdown viewers draw."""
        return texts.mermaid(self._boxes, self._links)

    @property
    def dot(self) -> str:
        """A graph for Graphviz."""
        return texts.dot(self._boxes, self._links)

    @property
    def svg(self) -> str:
        """An SVG picture, drawn without any other program."""
        return svg(self._boxes, self._links)

    def linked(self, addresses: Mapping[str, str]) -> str:
        """Return the SVG picture with links, for a page of a program.

        Args:
            addresses: by table, the URL that a click on it leads to.

        Returns:
            The ``<svg>``. It has no style of its own, which a strict content security policy refuses: ``style`` goes
            into a style sheet of the page.

        Example:
            ```python
            drawn = db.diagram()
            picture = drawn.linked({"user": "/tables/user"})
            css = drawn.style
            ```
        """
        return svg(self._boxes, self._links, addresses)

    @property
    def style(self) -> str:
        """The CSS of the picture, which ``svg`` includes and ``linked`` does not."""
        return STYLE

    def _repr_svg_(self) -> str:
        return self.svg
