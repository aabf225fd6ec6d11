"""PropelAuth's half: OAuth 2.1 for MCP with hosted pages, and the backend API."""
