"""Exports of rows to a file, which is complete or does not exist."""

from __future__ import annotations

# What users hand in may be of any type, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
import bz2
import contextlib
import gzip
import io
import json
import lzma
import os
import re
import sys
import tempfile
import zipfile
from collections.abc import AsyncIterable, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy.types import TypeEngine

from deebase._files.file_errors import refused
from deebase._files.formats import (
    FORMATS,
    Format,
    Packing,
    checked_delimiter,
    checked_format,
    field_writer,
    inert,
    parse_name,
)
from deebase._files.parquet import ParquetWriter
from deebase._files.workbooks import WorkbookWriter
from deebase._types.base import ColumnType
from deebase._types.registry import column_type, json_value, text_of, written_by_column
from deebase.errors import InvalidOperationError, ValidationError
from deebase.types import must_be_flags

OPERATION = "export_file"
#: Rows that are written, and reported, at once.
PIECE_ROWS = 500
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)


class Export:
    """The target and the format of an export.

    Args:
        target: a path, a binary or text file object, or "-" for standard output.
        format: None for that of its name.
        delimiter: of a delimited file.
        overwrite: replace an existing file.
        table: what is exported, for messages and the member of an archive.
        escape_formulas: write texts of a delimited file so that no spreadsheet runs them.
    """

    def __init__(
        self, target: Any, *, format: Any, delimiter: Any, overwrite: bool, table: str, escape_formulas: bool = False
    ) -> None:
        self._target = target
        must_be_flags(overwrite=overwrite)
        self._overwrite = overwrite
        self._escapes = escape_formulas
        known = checked_format(format)
        name = _name_of(target)
        parts = parse_name(name) if name is not None else None
        self._packing: Packing | None = None if parts is None else parts.packing
        self._format: Format = known or (parts.format if parts is not None else None) or _unknown(name)
        self._delimiter = checked_delimiter(delimiter) or ("\t" if self._format == "tsv" else ",")
        self._table = table
        self._member = f"{table}.{self._format}"
        if self._packing is not None and self._format in ("parquet", "xlsx"):
            hint = "leave out the suffix for packing; the format packs by itself"
            raise ValidationError(f"a file of the format {self._format} is not packed", field="target", hint=hint)
        if isinstance(target, (str, os.PathLike)) and target != "-" and not overwrite and Path(target).exists():
            raise _exists(Path(target))

    async def write(
        self,
        columns: Mapping[str, TypeEngine[Any]],
        rows: AsyncIterable[Mapping[str, Any]],
        progress: Callable[[int], object] | None,
    ) -> int:
        """Write all rows and return their number.

        Args:
            columns: the names and types of the columns.
            rows: to write.
            progress: is called with the number of rows.
        """
        if progress is not None and not callable(progress):
            raise ValidationError("progress is a function of a number", field="progress", hint="progress=print")
        if self._format in ("parquet", "xlsx"):
            return await self._write_typed(columns, rows, progress)
        count = 0
        with self._opened() as binary, _text_of(binary) as file:
            form = self._form(columns)
            pieces = [form.begin()]
            async for row in rows:
                pieces.append(form.row(row, count))
                count += 1
                if count % PIECE_ROWS == 0:
                    file.write("".join(pieces))
                    pieces.clear()
                    if progress is not None:
                        progress(count)
            file.write("".join([*pieces, form.end(count)]))
            file.flush()
        if progress is not None:
            progress(count)
        return count

    async def _write_typed(
        self,
        columns: Mapping[str, TypeEngine[Any]],
        rows: AsyncIterable[Mapping[str, Any]],
        progress: Callable[[int], object] | None,
    ) -> int:
        """Write all rows to a file that keeps the types of values."""
        kinds = {name: column_type(sa_type) for name, sa_type in columns.items()}
        count = 0
        with self._opened() as file:
            if isinstance(file, io.TextIOBase):
                raise ValidationError(f"{self._format} needs a binary file", field="target", hint="open(path, 'wb')")
            form: ParquetWriter | WorkbookWriter
            if self._format == "parquet":
                form = ParquetWriter(file, kinds, OPERATION)
            else:
                form = WorkbookWriter(file, kinds, self._table, OPERATION)
            with closing(form):
                async for row in rows:
                    form.row(row)
                    count += 1
                    if progress is not None and count % PIECE_ROWS == 0:
                        progress(count)
                form.end()
        if progress is not None:
            progress(count)
        return count

    def _form(self, columns: Mapping[str, TypeEngine[Any]]) -> _Delimited | _Json:
        written = {name: written_by_column(sa_type) for name, sa_type in columns.items()}
        kinds = {name: kind for name, kind in written.items() if kind is not None}
        if self._format in ("csv", "tsv"):
            return _Delimited(list(columns), self._delimiter, kinds, escapes=self._escapes)
        return _Json(kinds, lines=self._format == "ndjson")

    # -- where to ------------------------------------------------------------------------------

    @contextmanager
    def _opened(self) -> Generator[Any, None, None]:
        """Yield a file for bytes, or one for text where the caller gave it."""
        if self._target == "-":
            is_text = self._format not in ("parquet", "xlsx")
            yield from _lent(sys.stdout if is_text else getattr(sys.stdout, "buffer", sys.stdout))
        elif isinstance(self._target, (str, os.PathLike)):
            with self._beside(Path(self._target)) as file:
                yield file
        else:
            # The caller closes the file.
            yield from _lent(self._target)

    @contextmanager
    def _beside(self, path: Path) -> Generator[Any, None, None]:
        """Write to a temporary file in the same directory, which replaces the target when it is complete."""
        try:
            descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
        except OSError as error:
            hint = "does the directory exist, and can you write to it?"
            raise refused(str(path), f"cannot be written: {error.strerror}", hint, OPERATION) from error
        try:
            with ExitStack() as stack:
                binary: Any = stack.enter_context(os.fdopen(descriptor, "wb"))
                if self._packing == "gzip":
                    # Without name and time: the same rows make the same file.
                    binary = stack.enter_context(
                        gzip.GzipFile(filename="", mode="wb", fileobj=binary, mtime=0, compresslevel=6)
                    )
                elif self._packing in ("bzip2", "xz"):
                    binary = stack.enter_context((bz2 if self._packing == "bzip2" else lzma).open(binary, "wb"))
                elif self._packing == "zip":
                    archive = stack.enter_context(zipfile.ZipFile(binary, "w", zipfile.ZIP_DEFLATED))
                    binary = stack.enter_context(archive.open(self._member, "w", force_zip64=True))
                yield binary
            self._exchange(name, path)
        except OSError as error:
            raise refused(str(path), f"cannot be written: {error.strerror}", "is the disk full?", OPERATION) from error
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)

    def _exchange(self, name: str, path: Path) -> None:
        """Give the file its name; a file that was created meanwhile stays."""
        os.chmod(name, 0o666 & ~_umask())
        if self._overwrite:
            os.replace(name, path)
            return
        try:
            os.link(name, path)
        except FileExistsError:
            raise _exists(path) from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _lent(file: Any) -> Iterator[Any]:
    yield file
    if callable(getattr(file, "flush", None)):
        file.flush()


@contextmanager
def _text_of(file: Any) -> Generator[Any, None, None]:
    """Yield a file for text that writes to a file for bytes, or the file itself if it is for text."""
    if isinstance(file, io.TextIOBase):
        yield file
        return
    wrapper = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    try:
        yield wrapper
        wrapper.flush()
    finally:
        wrapper.detach()


def _name_of(target: Any) -> str | None:
    if isinstance(target, (str, os.PathLike)):
        return None if target == "-" else os.fspath(target) if isinstance(target, str) else str(target)
    if not callable(getattr(target, "write", None)):
        raise ValidationError(
            f"a file to export to is a path or a file object, not {type(target).__name__}",
            field="target",
            hint="export_file('people.csv'), or '-' for standard output",
        )
    name = getattr(target, "name", None)
    return name if isinstance(name, str) else None


def _unknown(name: str | None) -> Format:
    raise ValidationError(
        f"the format of {'the file' if name is None else name} does not follow from its name",
        field="format",
        hint=f"format= is one of {', '.join(map(repr, FORMATS))}",
    )


def _exists(path: Path) -> InvalidOperationError:
    return refused(str(path), "exists", "overwrite=True replaces it", OPERATION)


# -- forms -------------------------------------------------------------------------------------


class _Delimited:
    """Fields in quotes where they need them; NULL is an empty field, an empty text a field of two quotes."""

    def __init__(
        self, columns: Sequence[str], delimiter: str, kinds: Mapping[str, ColumnType[Any]], *, escapes: bool
    ) -> None:
        self._columns = columns
        self._delimiter = delimiter
        self._texts = {name: kind.format for name, kind in kinds.items()}
        self._quoted = field_writer(delimiter)
        self._field = self._inert if escapes else self._quoted

    def _inert(self, text: str) -> str:
        return self._quoted(text if _is_number(text) else inert(text))

    def _line(self, fields: list[str]) -> str:
        return f"{self._delimiter.join(fields)}\n"

    def begin(self) -> str:
        return self._line([self._field(name) for name in self._columns])

    def row(self, row: Mapping[str, Any], count: int) -> str:
        fields: list[str] = []
        for name in self._columns:
            value = row[name]
            # Most values by far are of these two types.
            if type(value) is int and name not in self._texts:
                fields.append(str(value))
            else:
                fields.append("" if value is None else self._field(self._texts.get(name, text_of)(value)))
        return self._line(fields)

    def end(self, count: int) -> str:
        return ""


def _is_number(text: str) -> bool:
    """Whether a text is a plain number, which a spreadsheet may read although it begins with a sign."""
    return _NUMBER.fullmatch(text) is not None


class _Json:
    """An array with an object on each line, or a line for each object."""

    def __init__(self, kinds: Mapping[str, ColumnType[Any]], *, lines: bool) -> None:
        self._kinds = kinds
        self._lines = lines
        self._encode = json.JSONEncoder(ensure_ascii=False, default=json_value, allow_nan=False).encode

    def begin(self) -> str:
        return "" if self._lines else "["

    def row(self, row: Mapping[str, Any], count: int) -> str:
        made = dict(row)
        for name, kind in self._kinds.items():
            if made[name] is not None:
                made[name] = kind.to_json(made[name])
        try:
            text = self._encode(made)
        except ValueError:
            # JSON has neither NaN nor infinity: they are written as text.
            text = self._encode(json_value(made))
        if self._lines:
            return f"{text}\n"
        return f"{',' if count else ''}\n{text}"

    def end(self, count: int) -> str:
        return "" if self._lines else "\n]\n" if count else "]\n"
