"""C{/v1/transactions}: how many transactions are live (RFC 3261 17)."""

from typing import Any

from sipproxy.control.declarations import Arguments, Json, Operation, Resource
from sipproxy.control.schema import COUNT, an_object
from sipproxy.transaction import TransactionTable

ANSWER = an_object(server=COUNT, client=COUNT, limit=COUNT, retransmissions=COUNT)


def counts(table: "TransactionTable[Any]") -> Json:
    """Count the live transactions of a table, and what it has seen again."""
    return {
        "server": table.servers,
        "client": len(table) - table.servers,
        "limit": table.limit,
        "retransmissions": table.retransmissions,
    }


def transactions_resource(table: "TransactionTable[Any]") -> Resource:
    """Give the resource of a table of transactions."""

    def show(_: Arguments) -> Json:
        return counts(table)

    return Resource("/transactions", (Operation("GET", "Count the live transactions.", show, ANSWER),))
