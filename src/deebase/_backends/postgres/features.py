"""The capabilities of PostgreSQL."""

from deebase._model.generated_names import LONGEST
from deebase._sqltext.capabilities import Capabilities
from deebase._sqltext.dialects import POSTGRES

CAPABILITIES = Capabilities(
    name="postgresql",
    title="PostgreSQL",
    is_one_file=False,
    has_schemas=True,
    alters_in_place=True,
    locks_rows=True,
    has_sequences=True,
    has_rowids=False,
    has_arrays=True,
    has_hash_joins=True,
    has_materialized_views=True,
    has_own_types=True,
    has_strict_tables=False,
    has_exact_decimals=True,
    has_moments=True,
    has_uuids=True,
    checks_types=True,
    parses_documents=True,
    sorts_nulls_last=True,
    ignores_case_of_names=False,
    copies_rows=True,
    tokens=POSTGRES,
    resets_sessions=True,
    # Manual, "PostgreSQL Limits".
    max_columns=1600,
    max_name_bytes=LONGEST,
    # Manual, "System Columns".
    system_columns=frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"}),
    locks_tables=True,
    builds_concurrently=True,
    cascades_drops=True,
    reads_may_write=True,
    secures_rows=True,
    aggregates=None,
)
