"""Wiv's half: the REST routes behind the 26 tools, over one tenant's data per organization."""
