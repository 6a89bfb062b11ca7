"""What a person sees who follows the unsubscribe link: small pages that load nothing else."""

from __future__ import annotations

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --page: #f3f1ec; --card: #fff; --ink: #1c2125; --line: #e4e0d8;
  --act: #17584a; --on-act: #fff; }}
@media (prefers-color-scheme: dark) {{ :root {{ --page: #14171a; --card: #1e2327; --ink: #eef1f3;
  --line: #2f363c; --act: #58b597; --on-act: #0d1f1a; }} }}
body {{ margin: 0; padding: 10vh 16px; background: var(--page); color: var(--ink);
  font: 17px/1.6 -apple-system, BlinkMacSystemFont, "Segoe UI", Roboto, Helvetica, Arial,
    sans-serif; }}
main {{ max-width: 30rem; margin: 0 auto; padding: 2.5rem; background: var(--card);
  border: 1px solid var(--line); border-radius: 12px; }}
h1 {{ margin: 0 0 1rem; font-size: 1.6rem; line-height: 1.25; }}
h2 {{ margin: 2rem 0 1rem; font-size: 1.1rem; line-height: 1.25; }}
p {{ margin: 0 0 1.25rem; }}
p:last-child {{ margin: 0; }}
button {{ padding: .8rem 1.6rem; border: 0; border-radius: 8px; background: var(--act);
  color: var(--on-act); font: inherit; font-weight: 600; cursor: pointer; }}
button:focus-visible {{ outline: 3px solid var(--ink); outline-offset: 3px; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""

# The version of what the page says; whoever presses one of its buttons has read this one.
WORDING = "unsubscribe-2"

# The form has no action: it posts to the address that showed it, stage prefix and all.
ASK = _PAGE.format(
    title="Stop these mails?",
    body=f"""<p>We will no longer send you news and offers by e-mail. This holds for every account
with your address, from the next mail on. Mails about your orders still reach you.</p>
<form method="post">
<input type="hidden" name="List-Unsubscribe" value="One-Click">
<input type="hidden" name="wording" value="{WORDING}">
<p><button type="submit">Unsubscribe</button></p>
<h2>Or say what else we may not do with what you bought</h2>
<p><button type="submit" name="choice" value="profiling">Choose nothing for me</button></p>
<p><button type="submit" name="choice" value="personalised_pricing">No personal prices</button></p>
<p><button type="submit" name="choice" value="all">Stop everything but order mails</button></p>
</form>""",
)
_DONE = {
    "": (
        "You are unsubscribed",
        "We have stopped sending you news and offers by e-mail.",
    ),
    "profiling": (
        "We choose nothing for you",
        "We no longer use what you bought to choose mails, offers or prices for you. News and "
        "offers by e-mail stop with it, since they are chosen so.",
    ),
    "personalised_pricing": (
        "No personal prices",
        "You see the same prices as everybody. News and offers by e-mail stop with it, since they "
        "hold personal offers.",
    ),
    "all": (
        "Everything is stopped",
        "We have stopped sending you news and offers, and no longer use what you bought to choose "
        "offers or prices for you. Mails about your orders still reach you.",
    ),
}
_DONE["marketing_email"] = _DONE[""]
_CLOSE = "There is nothing else you need to do, and you can close this page."
# The link is older than what we remember of its mail, or the account has another address by now.
_NO_ACCOUNT = (
    "This holds for mails to your address. We could not find the shop account that this mail was "
    "for: to change what it sees in the shop, follow the link in a newer mail, or ask us."
)


def done(choice: str, *, account_found: bool) -> str:
    """The page after a button was pressed; ``choice`` is what it withdraws, empty for the first.

    Nothing is confirmed of an account that was not found.
    """
    title, told = _DONE[choice]
    about_account = choice not in ("", "marketing_email")
    more = _NO_ACCOUNT if about_account and not account_found else _CLOSE
    return _PAGE.format(title=title, body=f"<p>{told}</p>\n<p>{more}</p>")


INVALID = _PAGE.format(
    title="This link does not work",
    body="""<p>It may have been cut off on its way. Open the newest mail that you have from us and
follow the unsubscribe link at its end, or reply to that mail and ask us to stop.</p>""",
)
