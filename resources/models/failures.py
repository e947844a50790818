"""Why a model gave no answer.

    ModelFailure
    ├── Transient        worth another attempt: 408, 409, 429, 5xx, connection, timeout, a broken body
    │   └── Unreachable  no server answered at all
    │       └── TimedOut a server took the request and said nothing in the time that an attempt has
    ├── Refused          the provider's policy stopped it; the keyframe's label is `refused`
    ├── Rejected         this request cannot be served (4xx); the keyframe's label is `error`
    ├── OverBudget       it might pass the budget; the keyframe's label is `over_budget`
    ├── GaveUp           attempts ran out; the keyframe's label is `error`
    ├── BackendDown      no request can be served (down, credentials, quota): the partition stops, nothing is recorded
    └── Stopping         the run is ending; nothing is recorded

Messages are shown to users and stored, so they hold no secret: whoever raises passes them through `redaction`.
"""

from __future__ import annotations


class ModelFailure(Exception):
    """A request without an answer.

    Attributes:
        attempts: requests sent before it was given up; 0 where none was.
    """

    attempts: int = 0


class Transient(ModelFailure):
    """Another attempt may succeed.

    Attributes:
        retry_after_s: how long the server asks to wait; None where it does not say.
    """

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unreachable(Transient):
    """Nothing answered: connection refused, reset, timed out."""


class TimedOut(Unreachable):
    """The request was sent and got no answer within `timeout_s`."""


class Refused(ModelFailure):
    """The provider's policy stopped the request."""


class Rejected(ModelFailure):
    """The server says that this request is wrong; sending it again would not help."""


class OverBudget(ModelFailure):
    """The request was not sent, because it might pass the budget."""


class GaveUp(ModelFailure):
    """The last of the allowed attempts failed too."""


class BackendDown(ModelFailure):
    """No request can be served at present; the message names the backend and the mend."""


class Stopping(ModelFailure):
    """The run is ending and takes up no further request."""
