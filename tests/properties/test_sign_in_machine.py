"""Sign-ins in any order, by people and clients that get in each other's way.

Hypothesis chooses the steps. A model says what each has to answer, and after each step whether each
token that was ever given out works, and which API keys PropelAuth has.

A failure is printed as its list of steps. HYPOTHESIS_FACTOR=20 tries twenty times more, and makes
that list as short as it can be.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

import httpx2
import pytest
from django.db.models import F
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from oauth_bridge import outbox
from oauth_bridge.models import AccessToken, EndUserApiKey, RefreshToken, UpstreamDeletion
from oauth_bridge.secret import checksum
from sandbox import fixtures
from tests.conftest import empty_tables, fill_catalog
from tests.oauth_client import OAuthClient
from tests.properties.examples import as_long_as_it_takes, examples_over_http
from tests.robot import Form, Robot, forms_of, location_of, query_of
from tests.stand_ins import Sandbox

Thing = TypeVar("Thing")

# Longer than REFRESH_TOKEN_GRACE, shorter than everything else.
A_WHILE = timedelta(seconds=61)
ORGANIZATIONS = {
    fixtures.ANA_EMAIL: {fixtures.ACME},
    fixtures.MAX_EMAIL: {fixtures.MSP, fixtures.NORTHWIND, fixtures.CONTOSO},
}


@dataclass(eq=False)
class Consent:
    """A consent page that is open in a browser."""

    robot: Robot
    client: OAuthClient
    form: Form


@dataclass(eq=False)
class SignIn:
    """One that somebody allowed; `upstream` is where PropelAuth asks them to sign in."""

    robot: Robot
    client: OAuthClient
    upstream: str
    is_used: bool = False
    is_complete: bool = False


@dataclass(eq=False)
class Callback:
    sign_in: SignIn
    url: str


@dataclass(eq=False)
class Chooser:
    """The page on which somebody with several organizations chooses one."""

    sign_in: SignIn
    url: str


@dataclass(eq=False)
class Code:
    value: str
    client: OAuthClient
    email: str
    organization: str
    family: "Family | None" = None  # once it is redeemed


@dataclass(eq=False)
class Family:
    code: Code
    id: UUID
    is_over: bool = False


@dataclass(eq=False)
class Pair:
    family: Family
    access_token: str
    refresh_token: str
    access_is_over: bool = False
    is_rotated: bool = False
    grace_is_over: bool = False

    @property
    def works(self) -> bool:
        return not (self.family.is_over or self.access_is_over)


@dataclass
class World:
    """What outlives the examples."""

    server: str
    sandbox: Sandbox
    http: httpx2.Client
    robots: list[Robot] = field(default_factory=list)
    clients: list[OAuthClient] = field(default_factory=list)

    def begin(self) -> None:
        outbox.deliver_soon().result(30)
        empty_tables()
        fill_catalog()
        self.sandbox.reset()
        self.robots = [Robot(email) for email in ORGANIZATIONS]
        self.clients = [
            OAuthClient(self.server, resource=resource, redirect_uri=f"http://127.0.0.1/{path}")
            for path, resource in (("mcp", f"{self.server}/mcp"), ("both", None))
        ]
        for robot in self.robots:
            robot.get(f"{self.server}/connect")  # for the CSRF cookie
        for client in self.clients:
            assert client.register().status_code == 201

    def end(self) -> None:
        for robot in self.robots:
            robot.close()
        for client in self.clients:
            client.http.close()


class SignInMachine(RuleBasedStateMachine):
    world: World

    def __init__(self) -> None:
        super().__init__()
        self.consents: list[Consent] = []
        self.sign_ins: list[SignIn] = []
        self.callbacks: list[Callback] = []
        self.choosers: list[Chooser] = []
        self.codes: list[Code] = []
        self.pairs: list[Pair] = []
        self.world.begin()

    def teardown(self) -> None:
        self.world.end()

    @initialize()
    def sign_some_in(self) -> None:
        """So that the few steps of an example needn't all be spent on that."""
        for robot, client in zip(self.world.robots, self.world.clients, strict=True):
            self.open(robot, client)
            self.allow(self.consents[-1])
            self.sign_in_upstream(self.sign_ins[-1])
            self.come_back(self.callbacks[-1], robot)
            if len(self.codes) < len(self.callbacks):
                self.choose(self.choosers[-1], robot, fixtures.CONTOSO)
        self.redeem(self.codes[0], self.codes[0].client, self.codes[0].client.verifier)

    # The browser's side --------------------------------------------------------------------

    @rule(data=st.data())
    def somebody_is_asked_for_consent(self, data: st.DataObject) -> None:
        self.open(one(data, self.world.robots), one(data, self.world.clients))

    def open(self, robot: Robot, client: OAuthClient) -> None:
        page = robot.get(client.authorization_url())
        assert page.status_code == 200
        self.consents.append(Consent(robot, client, forms_of(page)[0]))

    @rule(data=st.data())
    def somebody_denies(self, data: st.DataObject) -> None:
        consent = one(data, self.consents)
        answer = consent.robot.submit(consent.form, decision="deny")
        assert location_of(answer).startswith(consent.client.redirect_uri)
        assert query_of(location_of(answer))["error"] == "access_denied"

    @rule(data=st.data())
    def somebody_allows(self, data: st.DataObject) -> None:
        self.allow(one(data, self.consents))

    def allow(self, consent: Consent) -> None:
        answer = consent.robot.submit(consent.form, decision="allow")
        assert location_of(answer).startswith(self.world.sandbox.url)
        self.sign_ins.append(SignIn(consent.robot, consent.client, location_of(answer)))

    @rule(data=st.data())
    def somebody_signs_in_upstream(self, data: st.DataObject) -> None:
        self.sign_in_upstream(one(data, self.sign_ins))

    def sign_in_upstream(self, sign_in: SignIn) -> None:
        callback = f"{self.world.server}/oauth/callback"
        url = sign_in.robot.authorize(sign_in.upstream, stop_at=callback)
        self.callbacks.append(Callback(sign_in, str(url)))

    @rule(data=st.data())
    def a_callback_is_opened(self, data: st.DataObject) -> None:
        """For the first time or again; in the browser that began, or in another."""
        callback = one(data, self.callbacks)
        self.come_back(callback, own_or_one(data, callback.sign_in.robot, self.world.robots))

    def come_back(self, callback: Callback, robot: Robot) -> None:
        sign_in = callback.sign_in
        answer = robot.get(callback.url)
        if robot is not sign_in.robot or sign_in.is_used:
            assert answer.status_code == 400
            return
        sign_in.is_used = True
        location = location_of(answer)
        if len(ORGANIZATIONS[robot.email]) > 1:
            assert location.startswith(f"{self.world.server}/oauth/organization/")
            self.choosers.append(Chooser(sign_in, location))
        else:
            [organization] = ORGANIZATIONS[robot.email]
            self.receive_code(sign_in, location, organization)

    @rule(data=st.data(), organization=st.sampled_from(sorted(set.union(*ORGANIZATIONS.values()))))
    def an_organization_is_chosen(self, data: st.DataObject, organization: str) -> None:
        """One that was offered or a foreign one; in the browser that began, or in another."""
        chooser = one(data, self.choosers)
        robot = own_or_one(data, chooser.sign_in.robot, self.world.robots)
        self.choose(chooser, robot, organization)

    def choose(self, chooser: Chooser, robot: Robot, organization: str) -> None:
        sign_in = chooser.sign_in
        form = {"organization": organization}
        headers = {"X-CSRFToken": robot.http.cookies["csrf"]}
        answer = robot.http.post(chooser.url, data=form, headers=headers)
        is_foreign = organization not in ORGANIZATIONS[sign_in.robot.email]
        if robot is not sign_in.robot or sign_in.is_complete or is_foreign:
            assert answer.status_code == 400
        else:
            self.receive_code(sign_in, location_of(answer), organization)

    def receive_code(self, sign_in: SignIn, location: str, organization: str) -> None:
        assert location.startswith(f"{sign_in.client.redirect_uri}?")
        sign_in.is_complete = True
        code = query_of(location)["code"]
        self.codes.append(Code(code, sign_in.client, sign_in.robot.email, organization))

    # The client's side ---------------------------------------------------------------------

    @rule(data=st.data(), is_proved=st.sampled_from([True, True, False]))
    def a_code_is_redeemed(self, data: st.DataObject, is_proved: bool) -> None:
        """For the first time or again, by its client or another."""
        code = one(data, self.codes)
        client = own_or_one(data, code.client, self.world.clients)
        self.redeem(code, client, code.client.verifier if is_proved else "x" * 43)

    def redeem(self, code: Code, client: OAuthClient, verifier: str) -> None:
        uri = code.client.redirect_uri
        answer = client.redeem(code.value, code_verifier=verifier, redirect_uri=uri)
        if client is not code.client or verifier != code.client.verifier:
            assert_invalid_grant(answer)
        elif code.family is not None:
            assert_invalid_grant(answer)
            code.family.is_over = True
        else:
            assert answer.status_code == 200
            code.family = Family(code, family_of(answer))
            self.receive_pair(code.family, answer)

    @rule(data=st.data())
    def a_token_is_refreshed(self, data: st.DataObject) -> None:
        """For the first time or again, by its client or another."""
        pair = one(data, self.pairs)
        client = own_or_one(data, pair.family.code.client, self.world.clients)
        answer = client.refresh(pair.refresh_token)
        if client is not pair.family.code.client or pair.family.is_over:
            assert_invalid_grant(answer)
        elif pair.grace_is_over:
            assert_invalid_grant(answer)
            pair.family.is_over = True
        else:
            assert answer.status_code == 200
            pair.is_rotated = True
            self.receive_pair(pair.family, answer)

    def receive_pair(self, family: Family, answer: httpx2.Response) -> None:
        assert family_of(answer) == family.id
        tokens = answer.json()
        self.pairs.append(Pair(family, tokens["access_token"], tokens["refresh_token"]))

    @rule(data=st.data(), name=st.sampled_from(["access_token", "refresh_token"]))
    def a_token_is_revoked(self, data: st.DataObject, name: str) -> None:
        """RFC 7009 §2.1 and §2.2: another client's isn't, one that nobody has is as good as."""
        pair = one(data, self.pairs)
        client = own_or_one(data, pair.family.code.client, self.world.clients)
        is_own = client is pair.family.code.client
        answer = client.revoke(getattr(pair, name))
        assert answer.status_code == (200 if is_own or pair.family.is_over else 400)
        pair.family.is_over |= is_own

    @rule()
    def a_while_passes(self) -> None:
        RefreshToken.objects.update(rotated_at=F("rotated_at") - A_WHILE)
        AccessToken.objects.update(expires=F("expires") - A_WHILE)
        UpstreamDeletion.objects.update(not_before=F("not_before") - A_WHILE)
        for pair in self.pairs:
            pair.access_is_over |= pair.is_rotated
            pair.grace_is_over |= pair.is_rotated

    # What always holds ---------------------------------------------------------------------

    @invariant()
    def a_token_works_where_it_is_for_and_as_long_as_its_family_lives(self) -> None:
        for pair in self.pairs:
            headers = {"Authorization": f"Bearer {pair.access_token}"}
            is_for_sse = pair.family.code.client.resource is None
            # Each method is the wrong one, which is said only to those who may come in.
            for method, path, is_for in (("GET", "/mcp", True), ("POST", "/sse", is_for_sse)):
                answer = self.world.http.request(method, path, headers=headers)
                assert answer.status_code == (405 if pair.works and is_for else 401)

    @invariant()
    def a_token_is_for_who_allowed_it(self) -> None:
        for pair in filter(lambda pair: pair.works, self.pairs):
            token = AccessToken.objects.get(token_checksum=checksum(pair.access_token))
            code = pair.family.code
            assert token.user is not None
            assert token.application is not None
            assert (token.user.email, token.organization_id, token.application.client_id) == (
                *(code.email, code.organization),
                code.client.client_id,
            )

    @invariant()
    def propelauth_has_the_keys_of_families_that_live_and_no_others(self) -> None:
        outbox.deliver_soon().result(30)
        live = EndUserApiKey.objects.filter(revoked_at=None)
        at_propelauth = {key["api_key_id"] for key in self.world.sandbox.api_keys()}
        assert at_propelauth == set(live.values_list("api_key_id", flat=True))
        over = {pair.family.id for pair in self.pairs if pair.family.is_over}
        assert not live.filter(token_family__in=over).exists()
        for pair in self.pairs:
            assert not pair.works or live.filter(token_family=pair.family.id).exists()


def one(data: st.DataObject, of: list[Thing]) -> Thing:
    """The newest ones are the most interesting, so a shrunk example has them."""
    return of[-1 - data.draw(st.integers(0, len(of) - 1))]


def own_or_one(data: st.DataObject, own: Thing, of: list[Thing]) -> Thing:
    """The right one, mostly."""
    return one(data, [*of, own, own, own])


def family_of(answer: httpx2.Response) -> UUID:
    issued = AccessToken.objects.get(token_checksum=checksum(answer.json()["access_token"]))
    return issued.token_family


def assert_invalid_grant(answer: httpx2.Response) -> None:
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


@as_long_as_it_takes
@pytest.mark.requirement("OAuth 2.1 §4.1.3: a code once")
@pytest.mark.requirement("RFC 9700 §4.14.2: a refresh token that is used again ends its family")
@pytest.mark.requirement("RFC 9700 §4.7: a sign-in belongs to the browser that began it")
def test_sign_ins_in_any_order(server, sandbox, http, settings):
    settings.AUTHORIZATION_CODE_LIFETIME = timedelta(minutes=10)  # a slow machine's example
    settings.REGISTRATIONS_PER_ADDRESS = settings.CREDENTIAL_REFUSALS_PER_MINUTE = 10**9

    class Machine(SignInMachine):
        world = World(server, sandbox, http)

    run_state_machine_as_test(Machine, settings=examples_over_http(15, stateful_step_count=20))
