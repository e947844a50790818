"""Faults of what the work runs on, told from faults of the data: another attempt may only get past the former."""

from __future__ import annotations

import errno
import re

PASSING = frozenset(
    {
        errno.EIO,
        errno.EREMOTEIO,
        errno.ESTALE,
        errno.EAGAIN,
        errno.EBUSY,
        errno.ENOLCK,
        errno.ETIMEDOUT,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.ENETRESET,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ECONNRESET,
        errno.ECONNABORTED,
        errno.ECONNREFUSED,
    }
)
"""Error numbers of disks, mounts and networks that come and go. A full disk (ENOSPC), a file that is not there (ENOENT)
and rights that are lacking (EACCES) stay until somebody mends them."""
_NUMBER_IN_TEXT = re.compile(r"os error (\d+)|\[errno (\d+)\]", re.IGNORECASE)
"""Readers that are not written in Python say the number in words alone."""


def may_pass(error: BaseException | None) -> bool:
    """Whether the error is a fault of disk, mount or network, and the same work may succeed a little later."""
    if isinstance(error, (ConnectionError, TimeoutError)):
        return True
    return isinstance(error, OSError) and _number(error) in PASSING


def _number(error: OSError) -> int | None:
    if error.errno is not None:
        return error.errno
    said = _NUMBER_IN_TEXT.search(str(error))
    return int(said[1] or said[2]) if said else None
