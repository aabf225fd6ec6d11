from django.apps import AppConfig


class OAuthBridgeConfig(AppConfig):
    name = "oauth_bridge"
    verbose_name = "Sign-in and access"

    def ready(self) -> None:
        from oauth_bridge import checks  # noqa: F401  # registers them
        from oauth_bridge.encryption import register_encrypted
        from oauth_bridge.models import AuthorizationRequest, EndUserApiKey

        register_encrypted(EndUserApiKey, "encrypted_secret", "API keys")
        register_encrypted(AuthorizationRequest, "encrypted_code_verifier", "sign-ins under way")
