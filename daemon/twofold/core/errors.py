"""Errors that carry a stable code, a sentence and what to do next."""

from __future__ import annotations

from dataclasses import dataclass

from twofold.core.codes import Code


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a file, an inbox or a plan stands where it stands; `code` is stable, `text` and `hint` are for people."""

    code: Code
    text: str
    hint: str = ""

    def to_json(self) -> dict[str, str]:
        return {"code": self.code.value, "text": self.text, "hint": self.hint}

    @classmethod
    def from_json(cls, data: dict[str, str]) -> Reason:
        return cls(Code(data["code"]), data["text"], data.get("hint", ""))


class TwofoldError(Exception):
    """Any trouble that Twofold understands.

    `retryable` tells whether the same work may succeed later without anybody changing anything.
    """

    def __init__(self, code: Code, text: str, hint: str = "", *, retryable: bool | None = None) -> None:
        super().__init__(text)
        self.reason = Reason(code, text, hint or code.hint)
        self.retryable = code.retryable if retryable is None else retryable

    @property
    def code(self) -> Code:
        return self.reason.code


class OutOfDeviceMemory(TwofoldError):
    """The device refused an allocation: the same tiles are run again with a smaller plan."""


class LowMemory(TwofoldError):
    """Not even one smallest tile fits; `need_bytes` is what it adds."""

    def __init__(self, text: str, need_bytes: int) -> None:
        super().__init__(Code.LOW_MEMORY, text)
        self.need_bytes = need_bytes


class DeviceFault(TwofoldError):
    """The device failed (DEVICE_FAILED), or is gone (DEVICE_LOST): this process can do nothing on it any more.

    Only its end helps; smaller tiles do not.
    """


class Interrupted(BaseException):
    """The worker was told to stop: the work ends here, at a checkpoint, and goes on in the next worker.

    No Exception, so that nothing between the stop flag and the worker takes it for a failure and records one.
    """
