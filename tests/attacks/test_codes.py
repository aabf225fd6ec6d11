"""A code or a callback that was stolen, planted or made for somebody else."""

import pytest

from oauth_bridge.models import AccessToken, AuthorizationRequest, Grant
from sandbox import fixtures
from tests.robot import forms_of, location_of, query_of


@pytest.mark.requirement("RFC 9700 §4.5: authorization code injection")
def test_an_attackers_code_is_no_good_in_the_victims_client(new_client, attacker, victim):
    """The same public client on two machines; each has a verifier of its own."""
    theirs, mine = new_client(), new_client()
    planted = theirs.obtain_code(attacker)
    own = mine.obtain_code(victim)
    answer = mine.redeem(planted)
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_grant"
    assert not AccessToken.objects.exists()
    assert mine.redeem(own).status_code == 200


@pytest.mark.requirement("RFC 6749 §4.1.3: the code was issued to this client")
def test_a_stolen_code_and_verifier_are_no_good_at_another_client(new_client, victim):
    client = new_client()
    stolen = client.obtain_code(victim)
    thief = new_client(verifier=client.verifier)
    thief.register(client_name="Another")
    assert thief.redeem(stolen).status_code == 400
    assert client.redeem(stolen).status_code == 200


@pytest.mark.requirement("RFC 9700 §4.5, on PropelAuth's leg")
def test_propelauths_code_for_one_person_is_no_good_in_anothers_sign_in(
    new_client, attacker, victim, callback_of
):
    """The victim's state and cookie are right, the code is the attacker's."""
    planted = query_of(callback_of(attacker, new_client()))["code"]
    own = query_of(callback_of(victim, client := new_client()))
    answer = victim.get(f"{client.issuer}/oauth/callback?code={planted}&state={own['state']}")
    assert answer.status_code == 400
    assert not Grant.objects.exists()


@pytest.mark.requirement("RFC 9700 §4.4: mix-up of two sign-ins of one browser")
def test_propelauths_codes_of_two_sign_ins_cant_be_swapped(new_client, victim, callback_of):
    first, second = new_client(), new_client(redirect_uri="http://127.0.0.1:49153/other")
    one, two = query_of(callback_of(victim, first)), query_of(callback_of(victim, second))
    swapped = f"{first.issuer}/oauth/callback?code={one['code']}&state={two['state']}"
    assert victim.get(swapped).status_code == 400
    assert not Grant.objects.exists()


@pytest.mark.requirement("RFC 9700 §4.7.1")
def test_a_planted_sign_in_cookie_opens_no_other_sign_in(new_client, attacker, victim, callback_of):
    """The attacker can set a cookie in the victim's browser, but doesn't know what is in it."""
    callback = callback_of(attacker, new_client())
    callback_of(victim, new_client())
    [name] = [name for name in attacker.http.cookies if "sign-in-" in name]
    [value] = [victim.http.cookies[own] for own in victim.http.cookies if "sign-in-" in own]
    victim.http.cookies.set(name, value)
    assert victim.get(callback).status_code == 400
    assert not Grant.objects.exists()


@pytest.mark.requirement("RFC 6749 §10.12: the state is the one we gave out")
def test_a_callback_with_another_state_ends_no_sign_in(client, attacker, victim, callback_of):
    callback_of(victim, client)
    own = query_of(callback_of(attacker, client))["code"]
    for state in ("", "unknown", client.state):
        answer = victim.get(f"{client.issuer}/oauth/callback?code={own}&state={state}")
        assert answer.status_code == 400
        assert "known here" in answer.text
    assert not AuthorizationRequest.objects.exclude(consumed_at=None).exists()


# PKCE -------------------------------------------------------------------------------------------


@pytest.mark.requirement("RFC 9700 §4.8.2, RFC 7636 §7.2: no downgrade")
@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge_method": "plain"},
        {"code_challenge_method": None},
        {"code_challenge_method": "s256"},
        {"code_challenge_method": ""},
        {"code_challenge": "a" * 42},
        {"code_challenge": "+" * 43},
    ],
)
def test_a_weaker_challenge_never_gets_as_far_as_consent(client, victim, changes):
    client.register()
    answer = victim.get(client.authorization_url(**changes))
    assert answer.status_code == 302, "the consent page was shown"
    assert query_of(location_of(answer))["error"] == "invalid_request"


@pytest.mark.requirement("OAuth 2.1 §4.1.2.1: a missing code_challenge is refused")
@pytest.mark.parametrize("challenge", [None, ""])
def test_a_missing_challenge_never_gets_as_far_as_consent(client, victim, challenge):
    client.register()
    url = client.authorization_url(code_challenge=challenge, code_challenge_method=None)
    answer = victim.get(url)
    assert answer.status_code == 302, "the consent page was shown"
    assert query_of(location_of(answer))["error"] == "invalid_request"


def test_a_challenge_cant_be_dropped_from_the_consent_forms_own_url(client, victim):
    client.register()
    [form] = forms_of(victim.get(client.authorization_url()))
    form.action = client.authorization_url(code_challenge_method="plain")
    assert location_of(victim.submit(form, decision="allow")).startswith(client.redirect_uri)
    assert not AuthorizationRequest.objects.exists()


@pytest.mark.requirement("RFC 7636 §4.6")
@pytest.mark.parametrize("verifier", [None, "", "wrong" * 10, "the challenge itself"])
def test_a_code_without_its_verifier_is_worth_nothing(client, victim, verifier):
    code = client.obtain_code(victim)
    if verifier == "the challenge itself":
        verifier = client.code_challenge
    assert client.redeem(code, code_verifier=verifier).status_code == 400
    assert not AccessToken.objects.exists()


# Other grants -----------------------------------------------------------------------------------


@pytest.mark.requirement("OAuth 2.1 §4: code and refresh are the only grants here")
@pytest.mark.parametrize("grant_type", ["client_credentials", "password", "implicit"])
def test_a_registered_client_gets_no_token_without_a_person(new_client, grant_type):
    client = new_client(auth_method="client_secret_post")
    client.register()
    answer = client.token_request(
        grant_type=grant_type, username=fixtures.ANA_EMAIL, password=fixtures.PASSWORD
    )
    assert answer.status_code == 400
    assert answer.json()["error"] == "unsupported_grant_type"
    assert not AccessToken.objects.exists()
