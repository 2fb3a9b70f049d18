"""What outlives the process: what is believed, the breakers, what happened; later also what is to be told to whom.

`Memory` is what the service talks to: it is told of everything at once, writes in its own time, and never makes anybody
wait. `Database` runs transactions on SQLite or PostgreSQL; `tables` says what is kept, `migrations` how it came to be;
`rows` and `history` hold the statements. Whatever goes wrong with a database is a `StoreError`.
"""

from __future__ import annotations

from monitor.store.database import Database
from monitor.store.failures import SchemaError, StoreError
from monitor.store.memory import Memory, StoreStatus
from monitor.store.rows import Past

__all__ = ["Database", "Memory", "Past", "SchemaError", "StoreError", "StoreStatus"]
