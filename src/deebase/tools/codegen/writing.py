"""Writing a text file, completely or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from deebase.errors import InvalidOperationError, ValidationError


def write_file(path: str | os.PathLike[str], source: str, *, overwrite: bool, operation: str) -> None:
    """Write a file that appears with all of its text at once.

    A symbolic link stays a link: its target is written.

    Raises:
        ValidationError: the path is not one.
        InvalidOperationError: the file exists and ``overwrite`` is not given, or it cannot be written.
    """
    try:
        target = Path(os.path.realpath(path))
    except (TypeError, ValueError) as error:
        raise ValidationError(
            "the path of a file must be a str or Path",
            field="path",
            hint="create_mod('models.py', User)",
        ) from error
    try:
        if target.is_dir():
            raise _refused(path, "is a directory", "name a file in it", operation)
        if not target.parent.is_dir():
            raise _refused(
                path, f"is in {target.parent}, which is not a directory", "create the directory first", operation
            )
        if not overwrite and os.path.lexists(path):
            raise FileExistsError
        _write(target, source, overwrite=overwrite)
    except FileExistsError:
        raise _refused(path, "already exists", "overwrite=True replaces it", operation) from None
    except OSError as error:
        raise _refused(path, f"cannot be written: {error.strerror}", "choose another path", operation) from error


def _write(target: Path, source: str, *, overwrite: bool) -> None:
    draft = target.with_name(f".{target.name[:100]}.{secrets.token_hex(8)}")
    try:
        draft.write_text(source, encoding="utf-8", newline="\n")
        if overwrite:
            _replace(draft, target)
        else:
            _put(draft, target)
    finally:
        draft.unlink(missing_ok=True)


def _put(draft: Path, target: Path) -> None:
    try:
        # Unlike a rename, it fails if another program has created the file meanwhile.
        os.link(draft, target)
    except FileExistsError:
        raise
    except OSError:
        # The file system has no links.
        os.replace(draft, target)


def _replace(draft: Path, target: Path) -> None:
    if target.exists():
        draft.chmod(target.stat().st_mode & 0o777)
    os.replace(draft, target)


def _refused(path: str | os.PathLike[str], why: str, hint: str, operation: str) -> InvalidOperationError:
    name = os.fspath(path)
    return InvalidOperationError(f"{name} {why}", operation=operation, target=name, hint=hint)
