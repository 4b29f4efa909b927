"""What PostgreSQL can do."""

from deebase._sqltext.capabilities import Capabilities, register

CAPABILITIES = Capabilities(
    name="postgresql",
    is_one_file=False,
    has_schemas=True,
    alters_in_place=True,
    locks_rows=True,
    has_sequences=True,
    has_arrays=True,
    has_materialized_views=True,
    has_own_types=True,
    checks_types=True,
    ignores_case_of_names=False,
    copies_rows=True,
    locks_tables=True,
    builds_concurrently=True,
    cascades_drops=True,
    reads_may_write=True,
)
register(CAPABILITIES)
