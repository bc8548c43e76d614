"""`edgekit keys`: the user's signing key, and who else may sign for a fleet's devices."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.cli.session import JsonFlag, output_for, workstation_of
from edgekit.cli.verbs import Verbs, examples

if TYPE_CHECKING:
    from edgekit.cli.output import Output
    from edgekit.host.workflow.trust import TrustState

app = Verbs("Your signing key for releases, and who else may sign for your devices.")


@app.command()
@examples("edgekit keys init")
def init(ctx: typer.Context, as_json: JsonFlag = False) -> None:
    """Make your signing key (ed25519), and the first version of your trust file. Safe to run again."""
    from edgekit.host.workflow.keys import ensure_key
    from edgekit.host.workflow.trust import begin_trust, chain_of

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
@examples("edgekit keys revoke bob@desk", "edgekit keys revoke SHA256:...")
def revoke(
    ctx: typer.Context,
    what: Annotated[str, typer.Argument(help="A key's fingerprint, its owner's name, or a release's digest.")],
    as_json: JsonFlag = False,
) -> None:
    """Have devices refuse all that a key has signed, whenever that was, or one release."""
    from edgekit.host.workflow.trust import revoke as revoke_it

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
    from edgekit.host.workflow.trust import set_threshold

    output = output_for(as_json)
    _print(output, set_threshold(workstation_of(ctx, output), count))


@app.command()
@examples('edgekit keys policy --no-dirty --deny "numpy<2.2.5" --min-agreement 0.99', "edgekit keys policy")
def policy(
    ctx: typer.Context,
    no_dirty: Annotated[
        bool, typer.Option("--no-dirty", help="Refuse releases with changes that are in no commit.")
    ] = False,
    deny: Annotated[list[str] | None, typer.Option(help="Refuse a package: NAME, or NAME<VERSION. Repeatable.")] = None,
    min_agreement: Annotated[
        float, typer.Option(help="Refuse engines that agree less with their model (cosine, 0 to 1).", min=0, max=1)
    ] = 0.0,
    warn_days: Annotated[int | None, typer.Option(help="Warn of keys of this age.", min=1, max=3650)] = None,
    max_days: Annotated[int | None, typer.Option(help="Refuse keys of this age.", min=1, max=3650)] = None,
    as_json: JsonFlag = False,
) -> None:
    """Set what devices refuse although it is signed. Rules that are not named again are gone; days stay."""
    from edgekit.host.workflow.trust import set_policy
    from edgekit.schema.trust import TrustPolicy

    output = output_for(as_json)
    rules = TrustPolicy(no_dirty=no_dirty, deny=tuple(deny or ()), min_agreement=min_agreement)
    _print(output, set_policy(workstation_of(ctx, output), rules, warn_days=warn_days, max_days=max_days))


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
    lines += [f"  policy: {', '.join(rules)}"] if rules else []
    if state.missing:
        lines.append(f"needs {counted(state.missing, 'more signature')} before devices take it: edgekit keys sign")
    output.result(state, "\n".join(lines))
