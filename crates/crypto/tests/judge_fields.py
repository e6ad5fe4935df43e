#!/usr/bin/env python3
"""Computes masked values by docs/format/masking.md with Python's `hmac` and PyPI `cryptography` alone, which share no code with Polder.

usage: judge_fields.py      (requests a line on standard input, all words in hexadecimal, `-` for an empty one)

    pseudonym DOMAIN_KEY TEXT     prints the pseudonym
    deterministic DOMAIN_KEY TEXT prints the text encrypted deterministically
    random DOMAIN_KEY TEXT NONCE  prints the text encrypted under a nonce
    open DOMAIN_KEY SEALED        prints the text, or `refused`
"""

import hashlib
import hmac
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

CONTEXT = b"polder.field.1"


def part(domain_key: bytes, use: bytes) -> bytes:
    return HKDF(algorithm=SHA512(), length=32, salt=b"", info=b"polder.field.1:" + use).derive(domain_key)


def siv(domain_key: bytes) -> AESSIV:
    return AESSIV(part(domain_key, b"siv mac") + part(domain_key, b"siv ctr"))


def answer(what: str, words: list[bytes]) -> str:
    if what == "pseudonym":
        key, text = words
        return hmac.new(part(key, b"pseudonym"), text, hashlib.sha256).digest()[:16].hex()
    if what == "deterministic":
        key, text = words
        return (b"\x02" + siv(key).encrypt(text, [CONTEXT])).hex()
    if what == "random":
        key, text, nonce = words
        return (b"\x01" + nonce + siv(key).encrypt(text, [CONTEXT, nonce])).hex()
    key, sealed = words
    kind, rest = sealed[:1], sealed[1:]
    try:
        if kind == b"\x01" and len(rest) >= 16:
            return siv(key).decrypt(rest[16:], [CONTEXT, rest[:16]]).hex() or "-"
        if kind == b"\x02":
            return siv(key).decrypt(rest, [CONTEXT]).hex() or "-"
    except (InvalidTag, ValueError):
        pass
    return "refused"


def main() -> int:
    for line in sys.stdin:
        what, *words = line.split()
        print(answer(what, [b"" if word == "-" else bytes.fromhex(word) for word in words]), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
