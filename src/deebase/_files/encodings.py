"""The encoding of a text, by its byte order mark or else by its bytes."""

from __future__ import annotations

import re

#: Of a text without a mark; it skips a mark at the start.
UTF_8 = "utf-8-sig"
WINDOWS_1252 = "cp1252"
#: Bytes at the start of a text that identify its encoding (Unicode standard, "Byte Order Mark"); longest first.
_BYTE_ORDER_MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
#: A byte order mark, decoded.
BYTE_ORDER_MARK = "\ufeff"

#: Characters of which one in this many may be in a place where a Western European text has none.
_ONE_IN = 10
#: Control characters that a text does not have; DOS ends a text with the one of code 26.
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x19\x1b-\x1f\x7f]")
#: Characters of UTF-8 whose bytes make no sense in a text of Windows-1252: it is a damaged text of UTF-8.
_UTF_8 = re.compile(rb"[\xc2\xc3][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")

_ASCII = bytes(range(128))
_UPPER = "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜŒŸ"
_LOWER = "ßàáâãäåæçèéêëìíîïñòóôõöøùúûüœÿ"
_LETTER = f"A-Za-z{_UPPER}{_LOWER}"
#: Letters that are more frequent in the texts of other encodings (Czech, Croatian, Turkish), and signs that are rare.
_SUSPICIOUS = "ŠšŽžÐðÝýÞþƒ¤¦¬¨¯¸ˆ˜"  # noqa: RUF001
#: Signs that do not stand between two letters. Quotes, dashes and spaces that may are not among them.
_SIGNS = "€‚„…†‡‰‹›“”‘•™¡¢£¥§©ª«®°±²³´µ¶¹º»¼½¾¿×÷"  # noqa: RUF001
#: Characters in places where a Western European text has none.
_MISPLACED = re.compile(
    # A word without a letter of ASCII; a word of one letter, such as "à", is before a space.
    rf"(?<![{_LETTER}])(?![{_UPPER}{_LOWER}] )[{_UPPER}{_LOWER}]+(?![{_LETTER}])"
    rf"|[{_UPPER}{_LOWER}]{{3,}}"
    rf"|(?<=[a-z{_LOWER}])[{_UPPER}]"
    rf"|(?<=[{_LETTER}])[{_SIGNS}](?=[{_LETTER}])"
    rf"|[{_SUSPICIOUS}]"
    rf"|[^\x00-\x7f{_LETTER}]{{3,}}"
)


def marked_encoding(start: bytes) -> str | None:
    """Return the encoding of the byte order mark at the start, None without one."""
    return next((encoding for mark, encoding in _BYTE_ORDER_MARKS if start.startswith(mark)), None)


class WesternText:
    """Whether bytes that are not UTF-8 are a Western European text in Windows-1252.

    There, each byte has a character, letters are in words with other letters, and signs are in the places of signs. In
    another encoding, such as Shift-JIS, GBK, KOI8-R or Windows-1251, the same bytes give runs of letters and signs.
    """

    def __init__(self) -> None:
        self._characters = 0
        self._misplaced = 0

    def take(self, data: bytes) -> bool:
        """Take in a piece of the text; return whether the bytes so far can be such a text."""
        if _CONTROLS.search(data) is not None or _UTF_8.search(data) is not None:
            return False
        try:
            text = data.decode(WINDOWS_1252)
        except UnicodeDecodeError:
            return False
        self._characters += len(data.translate(None, _ASCII))
        self._misplaced += sum(map(len, _MISPLACED.findall(text)))
        return True

    @property
    def is_likely(self) -> bool:
        """Whether almost all characters are where a Western European text has them."""
        return self._misplaced * _ONE_IN <= self._characters
