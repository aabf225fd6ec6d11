"""The hosted pages: login, organization picker, and the two ways of saying no."""

from html import escape

from starlette.responses import HTMLResponse, Response

from sandbox import fixtures
from sandbox.propelauth.grants import SignIn

_HINTS = (
    (fixtures.ANA_EMAIL, "one organization, Admin"),
    (fixtures.MAX_EMAIL, "three organizations, one an MSP"),
    (fixtures.GUS_EMAIL, "Guest"),
    (fixtures.NORA_EMAIL, "no organization"),
    (fixtures.BEA_EMAIL, "blocked"),
)

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2433; --soft: #5c6780; --line: #d6dbe6;
  --card: #fff; --ground: #eef1f7; --accent: #5b3df5; --bad: #b3261e; --badground: #fdecea; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ebf3; --soft: #9aa4ba; --line: #39415a;
  --card: #1b2030; --ground: #10131d; --accent: #8f7bff; --bad: #ffb4ab; --badground: #3b1f1d; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem;
  background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { width: 100%; max-width: 25rem; padding: 2rem; background: var(--card);
  border: 1px solid var(--line); border-radius: 14px; box-shadow: 0 12px 40px #0002; }
.brand { display: flex; align-items: center; gap: .6rem; margin: 0 0 1.5rem; font-weight: 600; }
.brand i { width: 1.5rem; height: 1.5rem; border-radius: 7px; background: var(--accent); }
.brand small { margin-left: auto; padding: .1rem .55rem; border: 1px solid var(--line);
  border-radius: 99px; color: var(--soft); font-weight: 500; }
h1 { margin: 0 0 .25rem; font-size: 1.35rem; }
p { margin: 0 0 1.25rem; color: var(--soft); }
label { display: block; margin: 0 0 1rem; font-size: .9rem; font-weight: 600; }
input:not([type=radio]) { display: block; width: 100%; margin-top: .3rem; padding: .65rem .75rem;
  border: 1px solid var(--line); border-radius: 8px; background: transparent; color: inherit;
  font: inherit; }
.choice { display: flex; gap: .7rem; align-items: center; margin: 0 0 .6rem; padding: .8rem .9rem;
  border: 1px solid var(--line); border-radius: 10px; font-size: 1rem; cursor: pointer; }
.choice:has(:checked) { border-color: var(--accent); }
.buttons { display: flex; flex-direction: row-reverse; gap: .6rem; margin-top: 1.25rem; }
button { flex: 1; padding: .7rem; border: 1px solid var(--line); border-radius: 8px;
  background: transparent; color: inherit; font: inherit; font-weight: 600; cursor: pointer; }
button.main { flex: 2; background: var(--accent); border-color: var(--accent); color: #fff; }
@media (prefers-color-scheme: dark) { button.main { color: #10131d; } }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.bad { margin: 0 0 1.25rem; padding: .7rem .9rem; border-radius: 8px; background: var(--badground);
  color: var(--bad); font-size: .95rem; }
.hints { margin: 1.75rem 0 0; padding: 1.1rem 0 0; border-top: 1px solid var(--line);
  color: var(--soft); font-size: .85rem; }
.hints dl { display: grid; grid-template-columns: auto 1fr; gap: .15rem .9rem; margin: .5rem 0 0; }
.hints dt, code { font-family: ui-monospace, monospace; }
.hints dd { margin: 0; }
"""


def login(
    sign_in: SignIn, client_name: str, email: str = "", problem: str = "", status: int = 200
) -> Response:
    return _page(
        "Sign in",
        f"""<h1>Sign in</h1>
<p>to continue to {escape(client_name)}</p>
{_problem(problem)}
<form method="post" action="/login">
{_transaction(sign_in)}
<label>E-mail <input type="email" name="email" value="{escape(email)}" autocomplete="username"
  required autofocus></label>
<label>Password <input type="password" name="password" autocomplete="current-password"
  required></label>
{_buttons("Sign in")}
</form>
{_hints()}""",
        status,
    )


def organizations(
    sign_in: SignIn, names: dict[str, str], problem: str = "", status: int = 200
) -> Response:
    """`names` is {org_id: name}."""
    choices = "\n".join(
        f'<label class="choice"><input type="radio" name="org_id" value="{escape(org_id)}" '
        f"required>{escape(name)}</label>"
        for org_id, name in names.items()
    )
    return _page(
        "Choose an organization",
        f"""<h1>Choose an organization</h1>
<p>You belong to several.</p>
{_problem(problem)}
<form method="post" action="/login/organization">
{_transaction(sign_in)}
{choices}
{_buttons("Continue")}
</form>""",
        status,
    )


def error(code: str, description: str) -> Response:
    body = f"<h1>That didn't work</h1>\n<p>{escape(description)}</p>\n<code>{escape(code)}</code>"
    return _page("Error", body, 400)


def over() -> Response:
    return error("invalid_request", "This sign-in is over. Go back to the application and restart.")


def _problem(text: str) -> str:
    return f'<div class="bad" role="alert">{escape(text)}</div>' if text else ""


def _transaction(sign_in: SignIn) -> str:
    return f'<input type="hidden" name="transaction" value="{sign_in.transaction}">'


def _buttons(label: str) -> str:
    """The first button of a form is the one that Enter presses."""
    return f"""<div class="buttons">
<button class="main" name="action" value="continue">{label}</button>
<button name="action" value="cancel" formnovalidate>Cancel</button>
</div>"""


def _hints() -> str:
    rows = "\n".join(f"<dt>{email}</dt><dd>{escape(who)}</dd>" for email, who in _HINTS)
    return f"""<div class="hints">Everybody's password is <code>{fixtures.PASSWORD}</code>.
<dl>
{rows}
</dl></div>"""


def _page(title: str, body: str, status: int) -> Response:
    html = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title} · PropelAuth sandbox</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><style>{_STYLE}</style></head>
<body><main><div class="brand"><i></i>PropelAuth <small>sandbox</small></div>
{body}
</main></body></html>"""
    return HTMLResponse(html, status, {"cache-control": "no-store"})
