"""Who a machine is to the receiver: the ID, which its type, model and serial give, and its passwords. Pure.

No password is kept in clear anywhere. Each is computed from the receiver's own key (``keys/receiver.key`` of
the run), the ID, and a number that counts the machine's passwords; the store has a salted hash. So a password
whose first offer was lost can be offered again, and it is the same.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from dataclasses import dataclass

from lab.secret import Secret

_ID_BYTES = 10
_PASSWORD_BYTES = 24
_SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class MachineName:
    """Type, model and serial, as on the machine's plate."""

    type: str
    model: str
    serial: str

    def __str__(self) -> str:
        return f"{self.type}-{self.model}*{self.serial}"

    @property
    def id(self) -> str:
        """Sixteen letters and digits: the same for the same machine, in every lab (E-07)."""
        digest = hashlib.sha256(f"callhome-lab receiver {self}".encode()).digest()
        return base64.b32encode(digest[:_ID_BYTES]).decode()


@dataclass(frozen=True, slots=True)
class SaltedHash:
    """Of a password. The passwords have 192 random bits, so that one round of SHA-256 is enough: a slow hash
    protects short passwords, which people choose, from being guessed."""

    salt: bytes
    digest: bytes

    @staticmethod
    def of(password: Secret) -> SaltedHash:
        salt = os.urandom(_SALT_BYTES)
        return SaltedHash(salt, _digest(salt, password))

    def fits(self, password: Secret) -> bool:
        """In a time that does not tell how much of the password is right."""
        return hmac.compare_digest(self.digest, _digest(self.salt, password))


NOBODY = SaltedHash(bytes(_SALT_BYTES), bytes(32))
"""Of no password: what an unknown ID's is compared with, so that IDs cannot be told apart by time."""


def password(key: bytes, identity: str, number: int) -> Secret:
    """The machine's password of a number, counted from 1."""
    return Secret(_derived(key, f"password {number} {identity}"))


def access_key(key: bytes, identity: str, number: int) -> Secret:
    """The machine's Update Access Key of a number, counted from 1 (E-19)."""
    return Secret(_derived(key, f"access key {number} {identity}"))


def _derived(key: bytes, text: str) -> str:
    digest = hmac.digest(key, text.encode(), "sha256")
    return base64.urlsafe_b64encode(digest[:_PASSWORD_BYTES]).decode()


def _digest(salt: bytes, password: Secret) -> bytes:
    return hashlib.sha256(salt + password.reveal().encode()).digest()
