from django.apps import AppConfig


class McpGatewayConfig(AppConfig):
    name = "mcp_gateway"
    verbose_name = "MCP server"

    def ready(self) -> None:
        from mcp_gateway import checks, history  # noqa: F401  (register themselves)
        from mcp_gateway.approvals.desk import delete_old_approvals
        from mcp_gateway.approvals.models import Approval
        from mcp_gateway.call_log.retention import delete_old_entries
        from mcp_gateway.conduct.sharing import delete_old_uses
        from mcp_gateway.models import Upstream
        from mcp_gateway.resources import find_toolset_scopes
        from mcp_gateway.streams.rows import delete_lost
        from oauth_bridge.credentials import (
            register_cleanup,
            register_encrypted,
            register_parts,
        )

        register_cleanup(delete_old_entries)
        register_cleanup(delete_old_approvals)
        register_cleanup(delete_old_uses)
        register_cleanup(delete_lost)
        register_parts(find_toolset_scopes)
        register_encrypted(Upstream, "encrypted_credential", "credentials of upstreams")
        register_encrypted(Approval, "encrypted_call", "calls that wait for an approval")
