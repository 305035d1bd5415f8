"""The commands around the pages: serve them, accounts of those who may see more, reforms on a terminal."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from openvbp.errors import Problem, UsageError
from openvbp.terminal import Json, say, show

app = typer.Typer()
accounts_app = typer.Typer(no_args_is_help=True)

PASSWORD = "OPENVBP_PASSWORD"  # noqa: S105 (the name of a variable)
"""Variable of the environment with the password of a new account, where nobody can be asked."""

AccountsFile = Annotated[
    Path, typer.Option("--file", help="File of accounts; made if absent, readable by its owner alone.")
]


@app.command("serve")
def serve(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of finished runs.")],
    host: Annotated[
        str, typer.Option(help="Address to listen at; others than the loopback need sign-in.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 for any that is free.")] = 8000,
    data: Annotated[
        list[Path] | None, typer.Option(help="Folder of the input files of a run, to try reforms on it; repeatable.")
    ] = None,
    study: Annotated[list[Path] | None, typer.Option(help="Folder of a finished evaluation; repeatable.")] = None,
    registry: Annotated[
        Path | None, typer.Option(help="Folder with measures_corpus.parquet or .csv, for the overlap of measures.")
    ] = None,
    providers: Annotated[
        Path | None, typer.Option(help="Table with provider_id and columns to group by, for the equity pages.")
    ] = None,
    smallest_cell: Annotated[
        int, typer.Option(min=3, help="The smallest count of patients that everybody may see: 11 for CMS.")
    ] = 11,
    unsuppressed: Annotated[
        bool, typer.Option("--unsuppressed", help="Withhold nothing: for the user of this machine alone.")
    ] = False,
    accounts: Annotated[Path | None, typer.Option(help="File of accounts, made by 'openvbp accounts add'.")] = None,
    single_sign_on: Annotated[Path | None, typer.Option(help="YAML settings of an OpenID Connect provider.")] = None,
    access_log: Annotated[Path, typer.Option(help="File to which it is added who has seen which patients.")] = Path(
        "patient-access.jsonl"
    ),
    hostname: Annotated[
        list[str] | None, typer.Option(help="Name under which the server is called from elsewhere; repeatable.")
    ] = None,
    certificate: Annotated[Path | None, typer.Option(help="File of the TLS certificate.")] = None,
    certificate_key: Annotated[Path | None, typer.Option(help="File of its key.")] = None,
    behind_tls_proxy: Annotated[
        bool, typer.Option("--behind-tls-proxy", help="A proxy before the server encrypts.")
    ] = False,
    get: Annotated[str, typer.Option(metavar="PATH", help="Print one page, or a twin of it, and end.")] = "",
) -> None:
    """Show runs as web pages: report cards, why a payment is what it is, reforms to try."""
    from openvbp.web import server

    contents = server.Contents(runs, data or (), study or (), registry, providers, smallest_cell, unsuppressed)
    if get:
        status, content = server.get(contents, get, say)
        sys.stdout.buffer.write(content)
        if status != 200:
            raise typer.Exit(2 if status < 500 else 70)
        return
    if (certificate is None) != (certificate_key is None):
        raise UsageError(Problem("certificate and key belong together", "--certificate", "give both or neither"))
    binding = server.Binding(host, port, hostname or (), certificate, certificate_key, behind_tls_proxy)
    sign_in = _sign_in(accounts, single_sign_on, access_log, is_encrypted=binding.has_encryption)
    server.serve(contents, binding, sign_in, say)


def _sign_in(accounts: Path | None, single_sign_on: Path | None, access_log: Path, *, is_encrypted: bool) -> Any:
    if accounts is None and single_sign_on is None:
        return None
    from openvbp.web.accounts import Accounts
    from openvbp.web.sign_in import SignIn
    from openvbp.web.single_sign_on import read_single_sign_on

    return SignIn(
        access_log,
        Accounts(accounts) if accounts else None,
        read_single_sign_on(single_sign_on) if single_sign_on else None,
        is_encrypted,
    )


@app.command("publish")
def publish(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of finished runs.")],
    to: Annotated[Path, typer.Option(help="Folder of the site; one published before is replaced when whole.")],
    study: Annotated[list[Path] | None, typer.Option(help="Folder of a finished evaluation; repeatable.")] = None,
    registry: Annotated[
        Path | None, typer.Option(help="Folder with measures_corpus.parquet or .csv, for the overlap of measures.")
    ] = None,
    providers: Annotated[
        Path | None, typer.Option(help="Table with provider_id and columns to group by, for the equity pages.")
    ] = None,
    smallest_cell: Annotated[
        int, typer.Option(min=3, help="The smallest count of patients that is published: 11 for CMS.")
    ] = 11,
    json_: Json = False,
) -> None:
    """Write the public pages as files that need no server; small counts are withheld always."""
    from openvbp.web.publishing import static_site

    published = static_site.publish(
        runs,
        to,
        studies=study or (),
        registry=registry,
        providers_file=providers,
        smallest_cell=smallest_cell,
        say=say,
    )
    show(static_site.as_content(published), f"wrote {to}: {published.sentence}\nopen {to}/index.html", json_)


@app.command("what-if")
def what_if(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")],
    data: Annotated[
        Path | None, typer.Option(help="Folder of its input files; that of its command when absent.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Change a parameter; repeatable.")
    ] = None,
    given: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH=VALUE", help="Assume a parameter before and after the change; repeatable."),
    ] = None,
    reform: Annotated[Path | None, typer.Option(help="YAML file of a reform, as the lab's page writes it.")] = None,
    by: Annotated[
        str,
        typer.Option(
            help="Group providers by score, peer_group, provider_type, state or dual; the first that fits when absent."
        ),
    ] = "",
    json_: Json = False,
) -> None:
    """Say who gains and who loses by other parameters, without another run."""
    from openvbp.run_folder import open_run
    from openvbp.scenarios import parse_changes
    from openvbp.web.lab import Lab, Reform, find_data, read_reform
    from openvbp.web.reform_effects import as_content, demand_grouping, effects, groupings_of, render

    opened = open_run(run)
    if (reform is None) == (not set_):
        raise UsageError(Problem("which reform is meant?", "--set, --reform", "give --set PATH=VALUE or --reform FILE"))
    asked = read_reform(reform) if reform else Reform(tuple(parse_changes(set_ or ()).items()))
    if given:
        asked = Reform(asked.changes, (*asked.assumed, *parse_changes(given).items()))
    providers = {row["provider_id"]: row for row in opened.read("provider").to_pylist()}
    grouping = by or next(iter(groupings_of(providers)))
    demand_grouping(grouping, providers)
    lab = Lab(opened, find_data(opened, [data] if data else []))
    answer = lab.answer(asked)
    lab.close()
    found = effects(answer, providers, grouping)
    show(as_content(found, asked), render(found, asked, opened.title), json_)


@accounts_app.callback()
def accounts() -> None:
    """Accounts of those who may see what is withheld from the public."""


@accounts_app.command("add")
def accounts_add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name to sign in with.")],
    file: AccountsFile,
    covers: Annotated[
        list[str], typer.Option(metavar="PROGRAM/PROVIDER", help="Whose results and patients are shown; * for all.")
    ],
    json_: Json = False,
) -> None:
    """Add an account, or give one a new password; it is asked for, or read from OPENVBP_PASSWORD."""
    from openvbp.web.accounts import add_account, as_rows

    password = os.environ.get(PASSWORD) or typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    added = add_account(file, name, password, covers)
    show(as_rows({added.name: added})[0], f"wrote {file}: {added.name}", json_)


@accounts_app.command("list")
def accounts_list(file: AccountsFile, json_: Json = False) -> None:
    """List the accounts and what each may see."""
    from openvbp.web.accounts import Accounts, as_rows

    rows = as_rows(Accounts(file).all())
    show(rows, "\n".join(f"{row['name']}  {row['covers']}" for row in rows) or "no accounts", json_)


@accounts_app.command("remove")
def accounts_remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the account.")],
    file: AccountsFile,
    json_: Json = False,
) -> None:
    """Remove an account; whoever is signed in with it is so no longer."""
    from openvbp.web.accounts import remove_account

    remove_account(file, name)
    show({"removed": name}, f"removed {name}", json_)
