"""When a backend counts as down: after so many failed requests or timeouts in a row, or at once if it says so."""

from __future__ import annotations

from resources.models.failures import BackendDown


class Breaker:
    """Counts failed requests in a row, of any requests; once open it stays open.

    Attempts that are tried again are not counted, so that a short outage under many requests in flight opens nothing.
    Those that time out are, and by themselves: each takes minutes, and a server that hangs answers none of them.

    Attributes:
        down_after: failed requests in a row, or timeouts with nothing served in between, that open it.
        served: requests that were served so far.
    """

    def __init__(self, down_after: int) -> None:
        self.down_after = down_after
        self.served = 0
        self._failed = 0
        self._timed_out = 0
        self._verdict: str | None = None

    def succeeded(self) -> None:
        """A request was served."""
        self.served += 1
        self._failed = self._timed_out = 0

    def failed(self, reason: str) -> None:
        """A request failed for good."""
        self._failed += 1
        if self._failed >= self.down_after:
            self.trip(
                f"{self._failed} requests in a row failed, so the backend counts as down. Mend the cause and run "
                f"again; what is answered is kept. The last failure: {reason}"
            )

    def timed_out(self, reason: str) -> None:
        """An attempt of a request got no answer in its time."""
        self._timed_out += 1
        if self._timed_out >= self.down_after:
            self.trip(
                f"{self._timed_out} attempts in a row got no answer in their time (timeout_s of the model), so the "
                f"backend counts as down. Mend the cause and run again; what is answered is kept. The last: {reason}"
            )

    def trip(self, reason: str) -> None:
        """The backend is down, whatever was counted; of several reasons the first stays."""
        self._verdict = self._verdict or reason

    def check(self) -> None:
        """Passes while the backend counts as up.

        Raises:
            BackendDown: it does not; the message holds the last failure and how many there were in a row.
        """
        if self._verdict is not None:
            raise BackendDown(self._verdict)
