"""An MCP server of the official SDK that knows nothing of OAuth: `mcp_server.py PORT`."""

import sys

from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("tests")


@server.tool()
def caller(context: Context) -> str:
    """Who calls, as the gateway says it."""
    return " ".join(f"{name}={value}" for name, value in context.headers.items() if name.startswith(("x-flint", "authorization")))


if __name__ == "__main__":
    server.run("streamable-http", port=int(sys.argv[1]))
