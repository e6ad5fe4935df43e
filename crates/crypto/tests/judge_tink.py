#!/usr/bin/env python3
"""Opens sealed objects with PyPI `tink` 1.16.1 alone, to show that the format is Tink's and not merely like it.

usage: judge_tink.py OBJECT_FILE OBJECT_KEY_HEX CONTEXT_HEX
       judge_tink.py --batch        (the same three words a line on standard input)

Skips Polder's 128-byte header and opens the rest. Of one object it prints the SHA-256 of the plaintext and exits 1 when Tink
refuses it, 2 on wrong usage or when the file cannot be read. Of a batch it prints a line for each: that hash, or `refused`.
"""

import base64
import hashlib
import io
import json
import sys

HEADER_LEN = 128
SEGMENT_LEN = 65_536


def primitive(key: bytes):
    import tink
    from tink import json_proto_keyset_format, secret_key_access, streaming_aead
    from tink.proto import aes_gcm_hkdf_streaming_pb2, common_pb2

    streaming_aead.register()
    proto = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingKey(
        version=0,
        key_value=key,
        params=aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingParams(
            ciphertext_segment_size=SEGMENT_LEN,
            derived_key_size=32,
            hkdf_hash_type=common_pb2.SHA256,
        ),
    )
    keyset = {
        "primaryKeyId": 1,
        "key": [
            {
                "keyData": {
                    "typeUrl": "type.googleapis.com/google.crypto.tink.AesGcmHkdfStreamingKey",
                    "value": base64.b64encode(proto.SerializeToString()).decode(),
                    "keyMaterialType": "SYMMETRIC",
                },
                "status": "ENABLED",
                "keyId": 1,
                "outputPrefixType": "RAW",
            }
        ],
    }
    handle = json_proto_keyset_format.parse(json.dumps(keyset), secret_key_access.TOKEN)
    return handle.primitive(streaming_aead.StreamingAead), tink.TinkError


def judge(path: str, key: bytes, context: bytes) -> str | None:
    """The plaintext's SHA-256, or None when Tink refuses. What is not Tink's refusal is raised."""
    aead, tink_error = primitive(key)
    with open(path, "rb") as file:
        sealed = io.BytesIO(file.read()[HEADER_LEN:])
    digest = hashlib.sha256()
    try:
        with aead.new_decrypting_stream(sealed, context) as plain:
            while piece := plain.read(1 << 20):
                digest.update(piece)
    except tink_error as error:
        print(f"tink refuses {path}: {error}", file=sys.stderr)
        return None
    return digest.hexdigest()


def main(arguments: list[str]) -> int:
    try:
        if arguments == ["--batch"]:
            for line in sys.stdin:
                path, key, context = line.split()
                print(judge(path, bytes.fromhex(key), bytes.fromhex(context)) or "refused", flush=True)
            return 0
        path, key, context = arguments
        key, context = bytes.fromhex(key), bytes.fromhex(context)
    except ValueError:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        verdict = judge(path, key, context)
    except OSError as error:
        print(error, file=sys.stderr)
        return 2
    if verdict is None:
        return 1
    print(verdict)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
