"""The transaction layer of RFC 3261 17, corrected by RFC 6026: machines, timers, and the table of live transactions.

Knows no proxy: what it hands up goes to a transaction user (L{sipproxy.transaction.users}).
"""

from sipproxy.transaction.client import ClientTransaction
from sipproxy.transaction.server import ServerTransaction
from sipproxy.transaction.table import TransactionTable
from sipproxy.transaction.timers import TimerValues, TimerWheel

__all__ = ["ClientTransaction", "ServerTransaction", "TimerValues", "TimerWheel", "TransactionTable"]
