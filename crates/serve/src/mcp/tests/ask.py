"""The official client of the Model Context Protocol. Arguments: URL CA; a token in POLDER_TOKEN. Prints what it saw as one JSON object."""

import asyncio
import json
import os
import ssl
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

url, ca = sys.argv[1:]
verified = ssl.create_default_context(cafile=ca)


def plain(result):
    """Text and structure of a call, and whether it failed."""
    return [result.is_error, json.loads(result.content[0].text), result.structured_content]


async def asked(mode):
    headers = {"Authorization": f"Bearer {os.environ['POLDER_TOKEN']}"}
    async with (
        httpx2.AsyncClient(verify=verified, headers=headers, trust_env=False) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        return {
            "version": client.protocol_version,
            "server": client.server_info and client.server_info.name,
            "instructions": client.instructions,
            "capabilities": client.server_capabilities.model_dump(exclude_none=True),
            "tools": {tool.name: tool.annotations.read_only_hint for tool in (await client.list_tools()).tools},
            "query": plain(await client.call_tool("query", {"sql": "sample", "rows": 2})),
            "tables": plain(await client.call_tool("list_tables", {})),
            "table": plain(await client.call_tool("describe_table", {"table": "flights"})),
            "denied": plain(await client.call_tool("query", {"sql": "denied"})),
        }


async def main():
    told = {mode: await asked(mode) for mode in ["legacy", "auto"]}
    os.environ["POLDER_TOKEN"] = "polder_wrong"
    try:
        await asked("legacy")
        told["wrong"] = "let in"
    except Exception as error:
        told["wrong"] = type(error).__name__
    print(json.dumps(told))


asyncio.run(main())
