from django.apps import AppConfig


class McpGatewayConfig(AppConfig):
    name = "mcp_gateway"
    verbose_name = "MCP server"

    def ready(self) -> None:
        from mcp_gateway import checks  # noqa: F401  (registers them)
        from mcp_gateway.resources import find_toolset_scopes
        from oauth_bridge.credentials import register_parts

        register_parts(find_toolset_scopes)
