"""Lists that are read page by page."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, and_, or_, select


def newest(connection: Connection, query: "Select[Any]", table: Table, after: str, limit: int) -> "Sequence[Row[Any]]":
    """The newest rows first; those that follow the one whose id is `after`, where it is given: none where there is no
    such row. The table has `id` and `created_at`."""
    created, identity = table.c.created_at, table.c.id
    query = query.order_by(created.desc(), identity.desc()).limit(limit)
    if after:
        at = connection.execute(select(created).where(identity == after)).scalar()
        if at is None:
            return []
        query = query.where(or_(created < at, and_(created == at, identity < after)))
    return connection.execute(query).all()
