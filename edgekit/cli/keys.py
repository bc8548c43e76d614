"""`edgekit keys`: the user's signing key, and who else may sign for a fleet's devices."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.cli.session import JsonFlag, output_for, workstation_of
from edgekit.cli.verbs import Verbs, examples

if TYPE_CHECKING:
    from edgekit.cli.output import Output
    from edgekit.host.workflow.trust_change import TrustState

app = Verbs("Your signing key for releases, and who else may sign for your devices.")


@app.command()
@examples("edgekit keys init")
def init(ctx: typer.Context, as_json: JsonFlag = False) -> None:
    """Make your signing key (ed25519), and the first version of your trust file. Safe to run again."""
    from edgekit.host.workflow.keys import ensure_key
    from edgekit.host.workflow.trust import begin_trust
    from edgekit.host.workflow.trust_change import chain_of

    output = output_for(as_json)
    station = workstation_of(ctx, output)
    key = ensure_key(station)
    trust = begin_trust(station)
    word = "made" if key.made else "is there already"
    lines = [f"{key.file} {word}", key.allowed_signers]
    facts = {"key": str(key.file), "made": key.made, "allowed_signers": key.allowed_signers}
    if trust is not None:
        folder = str(chain_of(station).folder)
        facts |= {"trust": folder, "trust_version": trust.document.version}
        lines.append(f"{folder}: version {trust.document.version} of the trust file")
    output.result(facts, "\n".join(lines))


@app.command()
@examples("edgekit keys show >> signers")
def show(ctx: typer.Context, as_json: JsonFlag = False) -> None:
    """Print your line for an allowed_signers file."""
    from edgekit.host.workflow.keys import own_signers

    output = output_for(as_json)
    lines = own_signers(workstation_of(ctx, output)).allowed_signers
    output.result({"allowed_signers": lines}, lines)


@app.command(name="list")
@examples("edgekit keys list", "edgekit keys list --json")
def list_keys(ctx: typer.Context, as_json: JsonFlag = False) -> None:
    """Show whose keys count on your devices, how old they are, and what devices refuse."""
    from edgekit.host.workflow.trust import show_trust

    output = output_for(as_json)
    _print(output, show_trust(workstation_of(ctx, output)))


@app.command()
@examples("edgekit keys rotate")
def rotate(ctx: typer.Context, as_json: JsonFlag = False) -> None:
    """Make a new key in place of yours. Devices learn of it with their next deploy; releases are to be built again."""
    from edgekit.host.workflow.trust import rotate_key

    output = output_for(as_json)
    _print(output, rotate_key(workstation_of(ctx, output)))


@app.command()
@examples("edgekit keys add bobs-line")
def add(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="What `edgekit keys show` printed there (OpenSSH's allowed_signers).")],
    as_json: JsonFlag = False,
) -> None:
    """Let others sign for your devices too."""
    from edgekit.host.workflow.trust import add_signer

    output = output_for(as_json)
    _print(output, add_signer(workstation_of(ctx, output), file))


@app.command()
@examples("edgekit keys revoke bob@desk", "edgekit keys revoke SHA256:...", "edgekit keys revoke out/line")
def revoke(
    ctx: typer.Context,
    what: Annotated[str, typer.Argument(help="A fingerprint, a key's owner, a release's folder or whole digest.")],
    as_json: JsonFlag = False,
) -> None:
    """Have devices refuse all that a key has signed, whenever that was, or one release."""
    from edgekit.host.workflow.trust_rules import revoke as revoke_it

    output = output_for(as_json)
    _print(output, revoke_it(workstation_of(ctx, output), what))


@app.command()
@examples("edgekit keys threshold 2")
def threshold(
    ctx: typer.Context,
    count: Annotated[int, typer.Argument(help="How many different keys have to sign.", min=1, max=64)],
    as_json: JsonFlag = False,
) -> None:
    """Have devices ask for the signatures of several people, on releases and the trust file itself. No permits then."""
    from edgekit.host.workflow.trust_rules import set_threshold

    output = output_for(as_json)
    _print(output, set_threshold(workstation_of(ctx, output), count))


@app.command()
@examples(
    "edgekit keys policy",
    'edgekit keys policy --no-dirty --deny "numpy<2.2.5" --min-agreement 0.99',
    'edgekit keys policy --allow "numpy<2.2.5"',
)
def policy(
    ctx: typer.Context,
    no_dirty: Annotated[
        bool | None,
        typer.Option("--no-dirty/--dirty", help="Refuse releases with changes that are in no commit, or take them."),
    ] = None,
    deny: Annotated[list[str] | None, typer.Option(help="Refuse a package: NAME, or NAME<VERSION. Repeatable.")] = None,
    allow: Annotated[list[str] | None, typer.Option(help="Take a rule out that --deny made. Repeatable.")] = None,
    min_agreement: Annotated[
        float | None,
        typer.Option(help="Refuse engines that agree less with their model (cosine; 0: none).", min=0, max=1),
    ] = None,
    warn_days: Annotated[int | None, typer.Option(help="Warn of keys of this age.", min=1, max=3650)] = None,
    max_days: Annotated[int | None, typer.Option(help="Refuse keys of this age.", min=1, max=3650)] = None,
    as_json: JsonFlag = False,
) -> None:
    """Set what devices refuse although it is signed; without an option, show it. What is not named stays as it is."""
    from edgekit.host.workflow.trust import show_trust
    from edgekit.host.workflow.trust_rules import PolicyChange, set_policy

    output = output_for(as_json)
    station = workstation_of(ctx, output)
    wanted = PolicyChange(
        no_dirty=no_dirty,
        deny=tuple(deny or ()),
        allow=tuple(allow or ()),
        min_agreement=min_agreement,
        warn_days=warn_days,
        max_days=max_days,
    )
    _print(output, set_policy(station, wanted) if wanted.changes_something else show_trust(station))


@app.command()
@examples("edgekit keys renew")
def renew(ctx: typer.Context, as_json: JsonFlag = False) -> None:
    """Make a new version of the trust file with the same content: a version counts for half a year."""
    from edgekit.host.workflow.trust import renew as renew_it

    output = output_for(as_json)
    _print(output, renew_it(workstation_of(ctx, output)))


@app.command()
@examples("edgekit keys sign")
def sign(ctx: typer.Context, as_json: JsonFlag = False) -> None:
    """Add your signature to a version of the trust file that somebody else made."""
    from edgekit.host.workflow.trust import add_own_signature

    output = output_for(as_json)
    _print(output, add_own_signature(workstation_of(ctx, output)))


def _print(output: Output, state: TrustState) -> None:
    from edgekit.schema.units import counted

    fleet = f" of fleet {state.fleet}" if state.fleet else ""
    lines = [
        f"{state.folder}: version {state.version}{fleet}, {counted(state.threshold, 'key')} to sign, "
        f"counts for {counted(state.expires_days, 'more day')}"
    ]
    for key in state.keys:
        you = " (you)" if key.you else ""
        lines.append(f"  {key.name}{you}  {key.fingerprint}  {counted(key.age_days, 'day')}, {key.state}")
    lines += [f"  refused: key {one}" for one in state.revoked_keys]
    lines += [f"  refused: release {one[:12]}" for one in state.revoked_releases]
    rules = [*(["no_dirty"] if state.policy.no_dirty else []), *(f'deny "{one}"' for one in state.policy.deny)]
    rules += [f"min_agreement {state.policy.min_agreement:g}"] if state.policy.min_agreement else []
    lines.append(
        f"  policy: {', '.join(rules) or 'no rules'}; keys warn at {state.warn_days} days, end at {state.max_days}"
    )
    if state.missing:
        yours = " (you have signed)" if state.you_signed else ""
        lines.append(
            f"needs {counted(state.missing, 'more signature')} before devices take it{yours}: edgekit keys sign, "
            f"by others with the same {state.folder}"
        )
    output.result(state, "\n".join(lines))
