"""The capabilities of SQLite."""

from deebase._sqltext.capabilities import Capabilities
from deebase._sqltext.dialects import SQLITE

CAPABILITIES = Capabilities(
    name="sqlite",
    title="SQLite",
    is_one_file=True,
    has_schemas=False,
    alters_in_place=False,
    locks_rows=False,
    has_sequences=False,
    has_rowids=True,
    has_arrays=False,
    has_hash_joins=False,
    has_materialized_views=False,
    has_own_types=False,
    has_strict_tables=True,
    has_exact_decimals=False,
    has_moments=False,
    has_uuids=False,
    checks_types=False,
    parses_documents=False,
    sorts_nulls_last=False,
    ignores_case_of_names=True,
    copies_rows=False,
    tokens=SQLITE,
    resets_sessions=False,
    # SQLITE_MAX_COLUMN at its default (sqlite.org/limits.html).
    max_columns=2000,
    max_name_bytes=None,
    system_columns=frozenset(),
    locks_tables=False,
    builds_concurrently=False,
    cascades_drops=False,
    reads_may_write=False,
    secures_rows=False,
    aggregates=frozenset(
        {"avg", "count", "group_concat", "max", "median", "min", "string_agg", "sum", "total"}
        | {"json_group_array", "json_group_object", "jsonb_group_array", "jsonb_group_object"}
        | {"percentile", "percentile_cont", "percentile_disc"}
    ),
)
