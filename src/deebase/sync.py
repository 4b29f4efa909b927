"""DeeBase without await, for scripts, notebooks of other kernels, and programs without an event loop.

All calls are those of ``deebase``; each returns when it has finished. They are refused where an event loop runs.

Example:
    ```python
    from deebase.sync import Database

    with Database("app.db") as db:
        users = db.create(User, if_not_exists=True)
        users.insert(name="Ada")
        for user in users(order_by="name"):
            print(user)
    ```
"""

from deebase._sync.blocking import Database, Migrator, Query, SchemaEditor, Table, Transaction, TransformPlan, View

__all__ = ["Database", "Migrator", "Query", "SchemaEditor", "Table", "Transaction", "TransformPlan", "View"]
