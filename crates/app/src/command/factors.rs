//! `polder user totp` and `polder user passkeys`: what someone signs in with beside, or in place of, the password.

use polder_policy::identity::{Change, FactorChange, Kind, NewTotp};
use polder_types::{Clock as _, ErrorKind, Secret, SystemClock, SystemRng, printable};
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use serde_json::json;

use super::accounts;
use crate::cli::{Global, Output, PasskeysCommand, TotpCommand};
use crate::failure::{Failure, Outcome};
use crate::hosted;
use crate::identities::password;
use crate::print::{self, Listing, time};

/// Most bytes of standard input that are read: a code has six.
const CODE_MAX_BYTES: u64 = 64;

/// Runs a verb about codes.
///
/// # Errors
/// When it is not permitted, or fails.
pub(super) async fn totp(global: &Global, command: &TotpCommand, output: Output) -> Outcome {
    match command {
        TotpCommand::Enrol { name, code_stdin } => enrol(global, name, *code_stdin, output).await,
        TotpCommand::Remove { name } => {
            let change = Change::Factor(FactorChange::RemoveTotp { name: name.clone() });
            accounts::change(global, change, &format!("user {name} signs in without codes from now on"), name, output).await
        }
    }
}

/// Runs a verb about passkeys.
///
/// # Errors
/// When it is not permitted, or fails.
pub(super) async fn passkeys(global: &Global, command: &PasskeysCommand, output: Output) -> Outcome {
    match command {
        PasskeysCommand::List { name } => {
            let register = accounts::register(global).await?;
            let account = register.account(name).filter(|account| account.kind() == Kind::User);
            let account = account.ok_or_else(|| accounts::none(&register, Kind::User, name))?;
            let mut listing = Listing::new(&["id", "label", "added"]);
            for (id, passkey) in account.passkeys() {
                listing.row([json!(id), json!(passkey.label()), json!(time(passkey.added().time_ms))]);
            }
            listing.print(output)
        }
        PasskeysCommand::Remove { name, id } => {
            let change = Change::Factor(FactorChange::RemovePasskey { name: name.clone(), id: id.clone() });
            let done = format!("removed passkey {id} of user {name}; the sessions that it began are over");
            accounts::change(global, change, &done, name, output).await
        }
    }
}

async fn enrol(global: &Global, name: &str, code_stdin: bool, output: Output) -> Outcome {
    // Before anything is shown it is known whether there is someone to show it for.
    let register = accounts::register(global).await?;
    let account = register.account(name).filter(|account| account.kind() == Kind::User);
    if account.ok_or_else(|| accounts::none(&register, Kind::User, name))?.totp().is_some() {
        let text = format!("{name} is signing in with codes already; nothing was changed (`polder user totp remove {name}` first)");
        return Err(Failure::new(ErrorKind::Invalid, text));
    }
    if !code_stdin && !hosted::is_terminal() {
        let text = "read the code: standard input is no terminal to ask on; send it with --code-stdin, after the secret was printed";
        return Err(Failure::new(ErrorKind::Invalid, text));
    }
    let new = NewTotp::new(name, &SystemRng)?;
    let address = new.address().ok_or_else(|| Failure::new(ErrorKind::Internal, "write the secret as an address: it cannot be written"))?;
    show(&address, output)?;
    let code = code(code_stdin)?;
    let confirmed = new.confirmed(code.expose_secret().trim(), SystemClock.now_ms(), &SystemRng)?;
    let Some((totp, codes)) = confirmed else {
        let text = "compare the code: it is not that of the secret, and nothing was changed; check the clocks of this host and of the app, and begin again";
        return Err(Failure::new(ErrorKind::Invalid, text));
    };
    let made = accounts::changed(global, Change::Factor(FactorChange::EnrolTotp { name: name.to_owned(), totp })).await?;
    let shown: Vec<&str> = codes.iter().map(|code| code.expose_secret().as_str()).collect();
    if output == Output::Json {
        return print::document(&json!({ "name": name, "version": made.version, "recovery_codes": shown }).to_string());
    }
    print::note(&format!("user {name} signs in with codes from now on; the sessions before are over"));
    print::note("recovery codes, each good once in place of a code; they are shown this once, and are kept by nobody here:");
    shown.into_iter().try_for_each(print::line)
}

/// Shows the secret: as an address, and on a terminal as a picture that an app reads.
fn show(address: &Secret<String>, output: Output) -> Outcome {
    if output == Output::Json {
        return print::document(&json!({ "address": address.expose_secret() }).to_string());
    }
    print::line(address.expose_secret())?;
    if hosted::is_terminal() {
        let code = QrCode::new(address.expose_secret().as_bytes())
            .map_err(|error| Failure::because(ErrorKind::Internal, "draw the secret as a picture", &error))?;
        // A terminal is dark where nothing is written: what is light in the picture is what is written.
        let picture = code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).quiet_zone(true).build();
        picture.lines().try_for_each(print::line)?;
    }
    Ok(())
}

fn code(from_stdin: bool) -> Outcome<Secret<String>> {
    if !from_stdin {
        return password::asked("code that the app shows: ");
    }
    let failed = |error: std::io::Error| Failure::because(ErrorKind::Unavailable, "read the code from standard input", &error);
    let input = Secret::new(hosted::input(CODE_MAX_BYTES).map_err(failed)?);
    let text = std::str::from_utf8(input.expose_secret())
        .map_err(|_| Failure::new(ErrorKind::Invalid, "read the code from standard input: it is not UTF-8; write six digits there"))?;
    Ok(Secret::new(printable(text.trim()).into_owned()))
}
