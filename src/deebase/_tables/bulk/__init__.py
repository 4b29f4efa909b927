"""Calls that take many rows: by column or row by row, a batch in one statement, stored completely or not at all."""

from deebase._tables.bulk.arrow_records import Records, records_of
from deebase._tables.bulk.bulk_changes import delete_many, update_many
from deebase._tables.bulk.bulk_insert import insert_many

__all__ = ["Records", "delete_many", "insert_many", "records_of", "update_many"]
