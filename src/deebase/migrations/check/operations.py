"""The changes that a migration makes to a schema, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from deebase.migrations.check import rules
from deebase.migrations.check.rules import Hazard
from deebase.migrations.compare.changes import Changes, TableChange


def operations(back: Changes, hazards: Iterable[Hazard]) -> list[str]:
    """Return the operations of a migration, a line for each.

    Args:
        back: the changes from the schema after it to the schema before it.
        hazards: the hazards in its text, which show whether a dropped and an added column are a rename.
    """
    renamed = _renamed(back, [hazard for hazard in hazards if hazard.rule == rules.RENAME.id])
    found = [f"renames {old} to {new}" for old, new in renamed.items()]
    # Alembic finds tables in no particular order.
    created, dropped = sorted([table.name for table in back.drop]), sorted([table.name for table in back.create])
    found += [f"creates table {name}" for name in created if name not in renamed.values()]
    for change in back.alter:
        found += _of_table(change, renamed)
    for kind, (old, new) in back.others().items():
        found += [f"creates {kind} {name}" for name in sorted(new - old)]
        found += [f"changes {kind} {name}" for name in sorted(new & old)]
        found += [f"drops {kind} {name}" for name in sorted(old - new)]
    return found + [f"drops table {name}" for name in dropped if name not in renamed]


def touched(back: Changes) -> list[str]:
    """Return the existing tables that a migration changes or drops."""
    return sorted({change.name for change in back.alter} | {table.name for table in back.create})


def _renamed(back: Changes, hazards: list[Hazard]) -> dict[str, str]:
    """Return the old and new names of what is renamed; the schemas alone do not show whether it was replaced."""
    renames = [".".join([name for name in (hazard.table, hazard.column) if name is not None]) for hazard in hazards]
    found: dict[str, str] = {}
    for new, old in back.possible_renames():
        # The way back leads from the new name, which includes its table, to the old one.
        table, dot, column = new.rpartition(".")
        before = f"{table}.{old}" if dot else old
        after = column if dot else new
        if before in renames and before not in found and after not in found.values():
            found[before] = after
    return found


def _of_table(change: TableChange, renamed: dict[str, str]) -> Iterator[str]:
    # The way back starts from the table after the migration.
    name = change.name
    new = {column.name: column for column in change.before.facts.columns}
    old = {column.name: column for column in change.after.facts.columns}
    targets = {after for before, after in renamed.items() if before.startswith(f"{name}.")}
    yield from [f"adds column {name}.{column} {new[column].type}" for column in change.drop if column not in targets]
    yield from [f"drops column {name}.{column}" for column in change.add if f"{name}.{column}" not in renamed]
    for column in change.types:
        was, wanted = old[column].type, new[column].type
        yield f"changes column {name}.{column} " + (
            f"from {was} to {wanted}" if was != wanted else "to another list of values"
        )
    for column, refused in change.not_null.items():
        yield f"has column {name}.{column} {'take' if refused else 'refuse'} NULL"
    yield from [f"changes the default of column {name}.{column}" for column in change.defaults]
    if change.pk is not None:
        yield f"changes the key of table {name}"
    for verb, keys in (("adds", change.drop_keys), ("drops", change.add_keys)):
        yield from [f"{verb} foreign key {name} ({', '.join(key.columns)}) to {key.table}" for key in keys]
    for verb, indexes in (("creates", change.drop_indexes), ("drops", change.add_indexes)):
        yield from [f"{verb} index {index.name} of {name}" for index in indexes]
    for verb, features in (("adds", change.drop_features), ("drops", change.add_features)):
        yield from [f"{verb} {name} {feature.text}" for feature in features]
    yield from [f"changes the definition of table {name}" for _ in change.unexplained[:1]]
