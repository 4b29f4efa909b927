"""Detects statements that can change the session of their connection, by their text."""

from __future__ import annotations

from functools import lru_cache

from deebase._sqltext.dialects import TokenRules
from deebase._sqltext.kinds import StatementKind, classify
from deebase._sqltext.tokens import code_tokens

# Functions of pg_catalog that change nothing beyond the statement. Every other name may be a function that calls
# set_config(), takes a lock of the session or runs other SQL. An unnecessary reset costs one round trip.
_FUNCTIONS = frozenset(
    """
    abs age any_value array_agg array_append array_cat array_dims array_length array_lower array_ndims array_position
    array_prepend array_remove array_replace array_to_json array_to_string array_upper ascii avg bit_and bit_length
    bit_or bool_and bool_or btrim cardinality ceil ceiling char_length chr clock_timestamp coalesce col_description
    concat concat_ws corr count cume_dist current_database current_schema current_schemas current_setting currval date
    date_bin date_part date_trunc decode degrees dense_rank div encode every exp first_value floor format format_type
    gen_random_uuid generate_series generate_subscripts greatest has_column_privilege has_schema_privilege
    has_table_privilege inet_client_addr inet_server_addr initcap isfinite json_agg json_array json_array_elements
    json_array_elements_text json_array_length json_build_array json_build_object json_each json_each_text
    json_extract_path json_extract_path_text json_object json_object_agg json_object_keys json_populate_record
    json_populate_recordset json_to_record json_to_recordset json_typeof jsonb_agg jsonb_array_elements
    jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object jsonb_each jsonb_each_text
    jsonb_extract_path jsonb_extract_path_text jsonb_insert jsonb_object jsonb_object_agg jsonb_object_keys
    jsonb_path_exists jsonb_path_query jsonb_path_query_array jsonb_path_query_first jsonb_pretty jsonb_set
    jsonb_set_lax jsonb_strip_nulls jsonb_to_record jsonb_to_recordset jsonb_typeof justify_days justify_hours
    justify_interval lag last_value lastval lead least left length ln log log10 lower lower_inf lpad ltrim make_date
    make_interval make_time make_timestamp make_timestamptz max md5 min mod mode nextval now nth_value ntile nullif
    num_nonnulls num_nulls obj_description octet_length percent_rank percentile_cont percentile_disc
    pg_advisory_xact_lock pg_backend_pid pg_cancel_backend pg_current_wal_flush_lsn pg_current_wal_lsn
    pg_get_constraintdef pg_get_expr pg_get_functiondef pg_get_indexdef pg_get_serial_sequence pg_get_triggerdef
    pg_get_viewdef pg_is_in_recovery pg_notify pg_relation_size pg_reload_conf pg_sequence_last_value pg_size_pretty
    pg_sleep pg_table_is_visible pg_table_size pg_terminate_backend pg_total_relation_size pg_try_advisory_xact_lock
    pg_typeof phraseto_tsquery pi plainto_tsquery position power quote_ident quote_literal quote_nullable radians
    random rank regexp_match regexp_matches regexp_replace regexp_split_to_array regexp_split_to_table repeat replace
    reverse right round row_number row_to_json rpad rtrim setval setweight sha256 sign split_part sqrt starts_with
    statement_timestamp stddev stddev_pop stddev_samp string_agg string_to_array string_to_table strpos substr
    substring sum timeofday timezone to_char to_date to_hex to_json to_jsonb to_number to_regclass to_timestamp
    to_tsquery to_tsvector transaction_timestamp translate trim trunc ts_headline ts_rank ts_rank_cd txid_current
    unnest upper upper_inf uuidv7 var_pop var_samp variance version websearch_to_tsquery width_bucket
    """.upper().split()
)
# Words of the grammar that a parenthesis may follow, types with a modifier among them.
_GRAMMAR = frozenset(
    """
    all and any array as asymmetric between bit by case cast char character check collate conflict cross cube decimal
    delete distinct else end escape except exists explain extract fetch filter first float for from full group
    grouping having ilike in inner insert intersect interval is isnull join key lateral left like limit materialized
    natural next not notnull null numeric offset on only or order outer over overlay partition precision range
    recursive returning right rollup row rows select set sets similar some symmetric table then time timestamp
    timestamptz timetz to union unique using values varchar varying when where window with within
    """.upper().split()
)
# A name after one of these words is a table, an alias or a common table expression.
_NAMING = frozenset({"INTO", "AS", "WITH", "RECURSIVE"})
_PLAIN = _FUNCTIONS | _GRAMMAR


@lru_cache(maxsize=1000)
def keeps_session(sql: str, rules: TokenRules) -> bool:
    """Return whether all functions that a statement calls leave the session unchanged.

    Args:
        sql: a single statement.
        rules: the token rules of the database.
    """
    if not rules.calls_change_sessions:
        return True
    if classify(sql, rules) not in (StatementKind.READ, StatementKind.WRITE):
        return False
    return "(" not in sql or not _calls_unknown_code(sql, rules)


def _calls_unknown_code(sql: str, rules: TokenRules) -> bool:
    # The parts of the name that ends at the current token, and the word before that name.
    name: list[str] = []
    before, previous = "", ""
    for token in code_tokens(sql, rules):
        text = token.word or token.text
        if text == "(" and name and before not in _NAMING and not _is_known(name):
            return True
        if token.kind in ("word", "quoted"):
            if previous != ".":
                name, before = [], previous
            name = [*name, text]
        elif text != ".":
            name = []
        previous = text
    return False


def _is_known(name: list[str]) -> bool:
    if len(name) == 1:
        return name[0] in _PLAIN
    return name[:-1] == ["PG_CATALOG"] and name[-1] in _FUNCTIONS
