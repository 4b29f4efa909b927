"""Sources of imports: anything that can be read, from its start and more than once."""

from __future__ import annotations

# What users hand in may be of any type, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
import io
import os
import re
import sys
import zipfile
import zlib
from bz2 import BZ2File
from codecs import getincrementaldecoder
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from gzip import GzipFile
from itertools import chain
from lzma import LZMAError, LZMAFile
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from deebase._files.encodings import BYTE_ORDER_MARK, UTF_8, WINDOWS_1252, WesternText, marked_encoding
from deebase._files.file_errors import Fault, refused
from deebase._files.formats import (
    PARQUET,
    FileName,
    Format,
    packing_of,
    parse_name,
)
from deebase.errors import ValidationError

OPERATION = "import_file"
#: Characters of the longest line: a file without lines would be read into memory whole.
LONGEST_LINE = 64 * 1024 * 1024
#: Bytes that are copied at once.
_PIECE = 256 * 1024
#: Characters that are read at once.
_PIECE_CHARACTERS = 128 * 1024
#: Members that are named when an archive has several.
_NAMED_MEMBERS = 10
_ESCAPED_BYTE = re.compile("[\udc80-\udcff]")
_DAMAGED = (EOFError, zlib.error, zipfile.BadZipFile, LZMAError)


class _Counted(io.RawIOBase):
    """A binary file from a position on; closed with this object if it is owned."""

    def __init__(self, file: Any, *, start: int = 0, owned: bool) -> None:
        self._file = file
        self._start = start
        self._owned = owned
        file.seek(start)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer)) or b""
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        place: int = self._file.seek(offset + self._start if whence == os.SEEK_SET else offset, whence)
        return place - self._start

    def tell(self) -> int:
        place: int = self._file.tell()
        return place - self._start

    def close(self) -> None:
        if self._owned and not self.closed:
            self._file.close()
        super().close()


class Opened:
    """One reading of an input, from its start: its unpacked text, and the position."""

    def __init__(self, raw: io.RawIOBase, encoding: str, errors: str, stack: ExitStack) -> None:
        self._stack = stack
        self._raw = stack.enter_context(raw)
        #: The name of the only file in an archive.
        self.member: str | None = None
        binary = self._unpacked(io.BufferedReader(raw))
        self.binary = binary
        marked = marked_encoding(_first_bytes(binary))
        self.is_marked = marked is not None
        #: Of the text; a byte order mark takes precedence.
        self.encoding = marked or encoding
        self.text = stack.enter_context(io.TextIOWrapper(binary, encoding=self.encoding, errors=errors, newline=""))
        self._ahead = ""

    def _unpacked(self, binary: io.BufferedReader) -> io.BufferedReader:
        packing = packing_of(_first_bytes(binary))
        unpacked: Any
        if packing == "gzip":
            unpacked = self._stack.enter_context(GzipFile(fileobj=binary, mode="rb"))
        elif packing == "bzip2":
            unpacked = self._stack.enter_context(BZ2File(binary))
        elif packing == "xz":
            unpacked = self._stack.enter_context(LZMAFile(binary))  # noqa: SIM115
        elif packing == "zip":
            archive = self._stack.enter_context(zipfile.ZipFile(binary))
            self.member = _only_member(archive)
            unpacked = self._stack.enter_context(_opened_member(archive, self.member))
        else:
            return binary
        return io.BufferedReader(unpacked)

    @property
    def position(self) -> int:
        """How many bytes of the (packed) file were read."""
        return 0 if self._raw.closed else self._raw.tell()

    def start(self) -> str:
        """Return the start of the text, without a byte order mark; call it before the text is read."""
        self._ahead = self._ahead or self.text.read(_PIECE_CHARACTERS).lstrip(BYTE_ORDER_MARK)
        return self._ahead

    def skip(self, characters: int) -> None:
        """Skip characters at the start."""
        self._ahead = self._ahead[characters:]

    def _read(self) -> str:
        ahead, self._ahead = self._ahead, ""
        return ahead or self.text.read(_PIECE_CHARACTERS)

    def pieces(self, *, whole_lines: bool = True) -> Iterator[str]:
        """Yield the text in pieces."""
        line = 1
        self.start()
        while piece := self._read():
            if whole_lines and piece[-1] != "\n":
                piece += self.text.readline(LONGEST_LINE)
            if "\0" in piece:
                line += piece.count("\n", 0, piece.index("\0"))
                hint = "is it text, in this encoding? encoding='utf-16'"
                raise Fault("the text contains a NUL byte", hint, line=line)
            if len(piece) > LONGEST_LINE:
                hint = "is it a file of this format?"
                raise Fault(f"the line has more than {LONGEST_LINE} characters", hint, line=line + piece.count("\n"))
            line += piece.count("\n")
            yield piece

    def lines(self) -> Iterator[str]:
        """Yield the lines, with their ends; a single "\\r" ends one too."""
        return lines_of(self.pieces())

    def close(self) -> None:
        """Close everything that this reading opened."""
        self._stack.close()


def _first_bytes(binary: io.BufferedReader) -> bytes:
    # Not peek(), which may give fewer bytes than a mark has.
    start = binary.read(4)
    binary.seek(0)
    return start


def lines_of(pieces: Iterable[str]) -> Iterator[str]:
    """Yield the lines of pieces of text, without a Python call for each."""
    return chain.from_iterable(map(partial(io.StringIO, newline=""), pieces))


def _only_member(archive: zipfile.ZipFile) -> str:
    names = [
        info.filename
        for info in archive.infolist()
        # Added by macOS.
        if not info.is_dir() and not info.filename.startswith("__MACOSX/")
    ]
    if len(names) == 1:
        return names[0]
    if not names:
        raise Fault("the archive contains no file", "put the file into it")
    listed = ", ".join(map(repr, names[:_NAMED_MEMBERS])) + (", ..." if len(names) > _NAMED_MEMBERS else "")
    raise Fault(
        f"the archive contains {len(names)} files, and one is imported at a time: {listed}",
        "import each: with zipfile.ZipFile(path) as archive, archive.open(name) as file: "
        "await db.import_file(file, table)",
    )


def _opened_member(archive: zipfile.ZipFile, name: str) -> Any:
    try:
        return archive.open(name)
    except (RuntimeError, NotImplementedError) as error:
        raise Fault(
            "the archive is encrypted, or packed in a way that Python cannot read", "unpack it first"
        ) from error


def typed_format_of(file: IO[bytes]) -> Format | None:
    """Return the format of a file whose values have types, by its bytes; None for another file."""
    start = file.read(len(PARQUET))
    if start == PARQUET:
        return "parquet"
    if packing_of(start) == "zip":
        try:
            with zipfile.ZipFile(file) as archive:
                return "xlsx" if "xl/workbook.xml" in archive.namelist() else None
        except (zipfile.BadZipFile, OSError):
            return None
    return None


@contextmanager
def reading() -> Generator[None, None, None]:
    """Turn errors while a file is read into a Fault."""
    try:
        yield
    except UnicodeError as error:
        encoding = error.encoding if isinstance(error, UnicodeDecodeError) else "the given encoding"
        # A character map is given where utf-8 was not right; latin-1 has a character for each byte.
        others = ("latin-1",) if encoding == "charmap" else ("cp1252", "mac-roman", "cp1251", "shift-jis")
        named = " or ".join(f"encoding={other!r}" for other in others)
        raise Undecodable(f"is not text in {encoding}", f"give its encoding, such as {named}") from error
    except _DAMAGED as error:
        raise Fault("the packed file is damaged, or cut off", "fetch or pack it again") from error
    except OSError as error:
        # Also from gzip.
        raise Fault(f"cannot be read: {error.strerror or type(error).__name__}", "is the file whole?") from error


class Undecodable(Fault):
    """Bytes that are not text in the encoding; the line is determined afterwards."""


class Input:
    """A file to import.

    Attributes:
        name: its name in messages.
        parts: the parts of its name, None without a name.
        size: bytes of the (packed) file.
    """

    def __init__(
        self, name: str, opened: Callable[[], io.RawIOBase], size: int, encoding: str | None, *, named: bool = True
    ) -> None:
        self.name = name
        self.parts: FileName | None = parse_name(name) if named else None
        self.size = size
        self.encoding = encoding or UTF_8
        self._is_given = encoding is not None
        self._opened = opened
        self._now: list[Opened] = []
        self._binary: list[io.RawIOBase] = []

    def open(self, errors: str = "strict") -> Opened:
        """Start a reading."""
        stack = ExitStack()
        with reading():
            try:
                opened = Opened(self._opened(), self.encoding, errors, stack)
            except BaseException:
                stack.close()
                raise
        self._now.append(opened)
        return opened

    def find_encoding(self) -> Iterator[None]:
        """Find in which encoding the text is, if none was given; yield after each piece of the file.

        It reads the whole file before anything of it is stored. Damage is left to the readers: they know its place.
        """
        if self._is_given:
            return
        decoder = getincrementaldecoder("utf-8")()
        try:
            for piece in self._bytes():
                decoder.decode(piece)
                yield
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            found = WesternText()
            for piece in self._bytes():
                if not found.take(piece):
                    return
                yield
            if found.is_likely:
                self.encoding = WINDOWS_1252

    def _bytes(self) -> Iterator[bytes]:
        """Yield the bytes of the text in pieces of whole lines; none if a byte order mark names the encoding."""
        opened = self.open()
        try:
            with suppress(OSError, *_DAMAGED):
                while not opened.is_marked and (piece := opened.binary.read(_PIECE)):
                    yield piece + opened.binary.readline(_PIECE)
        finally:
            opened.close()

    def binary(self) -> io.BufferedReader:
        """Start a reading of the bytes, in any order; ``close`` ends it."""
        with reading():
            raw = self._opened()
        self._binary.append(raw)
        return io.BufferedReader(raw)

    def close(self) -> None:
        """Close all readings."""
        while self._binary:
            self._binary.pop().close()
        while self._now:
            self._now.pop().close()

    def undecodable(self, fault: Fault) -> Fault:
        """Return the fault of bytes that are not text, with their line."""
        opened = self.open("surrogateescape")
        try:
            for number, line in enumerate(opened.lines(), 1):
                found = _ESCAPED_BYTE.search(line)
                if found is not None:
                    return Fault(fault.reason, fault.hint, line=number, character=found.start() + 1)
        except (Fault, UnicodeError):
            # In an encoding whose bytes cannot be skipped, the line is unknown.
            return fault
        return fault


def make_input(source: Any, encoding: str | None, stack: ExitStack) -> Input:
    """Return the input of a source; a source that can be read only once is copied to a temporary file.

    Args:
        source: a path, bytes, a binary or text file object, or "-" for standard input.
        encoding: of its text; None for UTF-8.
        stack: closes what is opened.

    Raises:
        InvalidOperationError: the file does not exist, or cannot be read.
        ValidationError: it is not one of these.
    """
    made = _made(source, encoding, stack)
    stack.callback(made.close)
    return made


def _made(source: Any, encoding: str | None, stack: ExitStack) -> Input:
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
        return Input("<bytes>", lambda: _Counted(io.BytesIO(data), owned=True), len(data), encoding, named=False)
    if isinstance(source, str) and source == "-":
        return _of_file(getattr(sys.stdin, "buffer", sys.stdin), "standard input", encoding, stack)
    if isinstance(source, (str, os.PathLike)):
        return _of_path(source, encoding, stack)
    if not callable(getattr(source, "read", None)):
        raise ValidationError(
            f"a file to import is a path, bytes or a file object, not {type(source).__name__}",
            field="source",
            hint="import_file('people.csv'), or '-' for standard input; rows in memory go to insert_all",
        )
    name = getattr(source, "name", None)
    return _of_file(source, name if isinstance(name, str) and name else None, encoding, stack)


def _of_path(source: Any, encoding: str | None, stack: ExitStack) -> Input:
    try:
        path = Path(source)
        name = os.fspath(path)
        if path.is_dir():
            raise refused(name, "is a directory", "name one file in it", OPERATION)
        with path.open("rb") as file:
            if not path.is_file():
                # A pipe, which cannot be read twice.
                return _of_file(file, name, encoding, stack)
        size = path.stat().st_size
    except FileNotFoundError:
        raise refused(str(source), "does not exist", f"the working directory is {Path.cwd()}", OPERATION) from None
    except OSError as error:
        raise refused(str(source), f"cannot be read: {error.strerror}", "choose another file", OPERATION) from error
    except (TypeError, ValueError) as error:
        raise ValidationError(
            "the path of a file to import is a str or Path that a file can have", field="source"
        ) from error
    return Input(name, lambda: _Counted(path.open("rb", buffering=0), owned=True), size, encoding)


def _of_file(file: Any, name: str | None, encoding: str | None, stack: ExitStack) -> Input:
    known = name is not None and name != "standard input"
    label = name if name is not None else "<file>"
    with reading():
        try:
            binary = isinstance(file.read(0), bytes)
            if not binary:
                # The copy of decoded text is UTF-8.
                encoding = "utf-8"
            elif file.seekable():
                start = file.tell()
                size = file.seek(0, os.SEEK_END) - start
                return Input(label, lambda: _Counted(file, start=start, owned=False), size, encoding, named=known)
            copy = stack.enter_context(TemporaryFile())  # noqa: SIM115
            size = _copied(file, copy, binary=binary)
        except (Fault, UnicodeError, OSError):
            raise
        except Exception as error:  # a file object of the caller may raise anything
            raise Fault(f"cannot be read: {type(error).__name__}", "give a binary file that is open") from error
    return Input(label, lambda: _Counted(copy, owned=False), size, encoding, named=known)


def _copied(file: Any, copy: Any, *, binary: bool) -> int:
    size = 0
    while piece := file.read(_PIECE):
        size += copy.write(piece if binary else piece.encode("utf-8", "surrogatepass"))
    copy.flush()
    return size
