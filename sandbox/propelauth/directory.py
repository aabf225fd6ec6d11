"""Who are the users and organizations, and how does PropelAuth describe them?"""

from dataclasses import dataclass, field
from typing import Any

from sandbox import fixtures

# Highest first: a role includes those after it.
ROLES = ("Admin", "Editor", "Member", "Guest")
_EPOCH = 1_767_225_600  # everybody joined on 2026-01-01

Document = dict[str, Any]


@dataclass
class Organization:
    org_id: str
    name: str
    metadata: Document = field(default_factory=dict)

    @property
    def slug(self) -> str:
        return self.name.lower().replace(" ", "-")


@dataclass
class User:
    user_id: str
    email: str
    first_name: str
    last_name: str
    enabled: bool = True
    roles: dict[str, str] = field(default_factory=dict)  # org_id -> role


class Directory:
    def __init__(self) -> None:
        self.organizations = {organization.org_id: organization for organization in _seed_orgs()}
        self.users = {user.user_id: user for user in _seed_users()}

    def find_user_by_email(self, email: str) -> User | None:
        wanted = email.strip().lower()
        return next((user for user in self.users.values() if user.email == wanted), None)

    def members(self, org_id: str) -> list[User]:
        return [user for user in self.users.values() if org_id in user.roles]

    def user_document(self, user: User, *, include_orgs: bool = False) -> Document:
        """The user as the backend API answers it; the organizations only when asked for."""
        document: Document = {
            "user_id": user.user_id,
            "email": user.email,
            "email_confirmed": True,
            "has_password": True,
            "username": None,
            "first_name": user.first_name,
            "last_name": user.last_name,
            "picture_url": None,
            "properties": {},
            "metadata": None,
            "locked": False,
            "enabled": user.enabled,
            "mfa_enabled": False,
            "can_create_orgs": False,
            "created_at": _EPOCH,
            "last_active_at": _EPOCH,
            "legacy_user_id": None,
            "update_password_required": False,
        }
        if include_orgs:
            document["org_id_to_org_info"] = self.member_infos(user)
        return document

    def member_infos(self, user: User) -> Document:
        return {org_id: self.member_info(user, org_id) for org_id in user.roles}

    def member_info(self, user: User, org_id: str) -> Document:
        organization, role = self.organizations[org_id], user.roles[org_id]
        return {
            "org_id": org_id,
            "org_name": organization.name,
            "org_metadata": organization.metadata,
            "url_safe_org_name": organization.slug,
            "user_role": role,
            "inherited_user_roles_plus_current_role": list(ROLES[ROLES.index(role) :]),
            "user_permissions": [],
            "org_role_structure": "single_role_in_hierarchy",
            "additional_roles": [],
            "legacy_org_id": None,
        }


def organization_document(organization: Organization) -> Document:
    return {
        "org_id": organization.org_id,
        "name": organization.name,
        "url_safe_org_slug": organization.slug,
        "can_setup_saml": False,
        "is_saml_configured": False,
        "is_saml_in_test_mode": False,
        "max_users": None,
        "metadata": organization.metadata,
        "domain": None,
        "extra_domains": [],
        "domain_autojoin": False,
        "domain_restrict": False,
        "custom_role_mapping_name": None,
        "legacy_org_id": None,
        "password_rotation_enabled": False,
        "password_rotation_history_size": 0,
        "password_rotation_period": 0,
    }


def organization_of_key_document(organization: Organization) -> Document:
    """The shorter description in the answer of `validate`, which says `org_name` for `name`."""
    return {
        "org_id": organization.org_id,
        "org_name": organization.name,
        "can_setup_saml": False,
        "is_saml_configured": False,
        "max_users": None,
        "metadata": organization.metadata,
        "custom_role_mapping_name": None,
        "legacy_org_id": None,
    }


def _seed_orgs() -> list[Organization]:
    return [
        Organization(fixtures.ACME, "Acme Corp"),
        Organization(fixtures.MSP, "Orbit MSP", {"msp": True}),
        Organization(fixtures.NORTHWIND, "Northwind Traders"),
        Organization(fixtures.CONTOSO, "Contoso Ltd"),
        Organization(fixtures.FABRIKAM, "Fabrikam Inc"),
        Organization(fixtures.TAILWIND, "Tailwind Toys"),
    ]


def _seed_users() -> list[User]:
    acme, msp = fixtures.ACME, fixtures.MSP
    max_roles = {msp: "Admin", fixtures.NORTHWIND: "Editor", fixtures.CONTOSO: "Member"}
    return [
        User(fixtures.ANA, fixtures.ANA_EMAIL, "Ana", "Silva", roles={acme: "Admin"}),
        User(fixtures.MAX, fixtures.MAX_EMAIL, "Max", "Orbit", roles=max_roles),
        User(fixtures.NORA, fixtures.NORA_EMAIL, "Nora", "Nowhere"),
        User(fixtures.GUS, fixtures.GUS_EMAIL, "Gus", "Guest", roles={acme: "Guest"}),
        User(fixtures.BEA, fixtures.BEA_EMAIL, "Bea", "Blocked", False, {acme: "Member"}),
    ]
