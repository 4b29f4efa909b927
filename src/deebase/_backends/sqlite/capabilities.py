"""What SQLite can do."""

from deebase._sqltext.capabilities import Capabilities, register

CAPABILITIES = Capabilities(
    name="sqlite",
    is_one_file=True,
    has_schemas=False,
    alters_in_place=False,
    locks_rows=False,
    has_sequences=False,
    has_arrays=False,
    has_materialized_views=False,
    has_own_types=False,
    checks_types=False,
    ignores_case_of_names=True,
    copies_rows=False,
    locks_tables=False,
    builds_concurrently=False,
    cascades_drops=False,
    reads_may_write=False,
)
register(CAPABILITIES)
