#!/usr/bin/env python3
"""Opens a sealed object with PyPI `tink` 1.16.1 alone, to show that the format is Tink's and not merely like it.

usage: judge_tink.py OBJECT_KEY_HEX CONTEXT_HEX SEALED_FILE

Skips Polder's 128-byte header, opens the rest, prints the SHA-256 of the plaintext. Exits 1 when Tink refuses, 2 on wrong usage.
"""

import base64
import hashlib
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


def main(arguments: list[str]) -> int:
    if len(arguments) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    key, context = bytes.fromhex(arguments[0]), bytes.fromhex(arguments[1])
    aead, tink_error = primitive(key)
    digest = hashlib.sha256()
    try:
        with open(arguments[2], "rb") as sealed:
            sealed.seek(HEADER_LEN)
            with aead.new_decrypting_stream(sealed, context) as plain:
                while piece := plain.read(1 << 20):
                    digest.update(piece)
    except (tink_error, OSError, ValueError) as error:
        print(f"tink refuses: {error}", file=sys.stderr)
        return 1
    print(digest.hexdigest())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
