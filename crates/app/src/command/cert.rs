//! `polder cert`: what clients trust, and what the listeners show.

use std::path::Path;

use polder_policy::Action;
use polder_serve::authority::Details;
use serde_json::json;

use crate::cli::{CertCommand, Global, Output};
use crate::command::certificate as client_certificates;
use crate::command::serve::certificate::{self, Held};
use crate::failure::Outcome;
use crate::hosted;
use crate::installation::Installation;
use crate::print::{self, Listing, time};
use crate::project::Project;
use crate::project_file;

/// Runs a verb of `cert`.
///
/// # Errors
/// When the installation cannot be opened, it is not permitted, or something cannot be written.
pub async fn run(global: &Global, command: &CertCommand, output: Output) -> Outcome {
    let project = Project::find(global.project.as_deref(), &global.env)?;
    match command {
        CertCommand::Trust { out } => trust(global, project, out.as_deref()).await,
        CertCommand::Show => show(&Installation::open_read_only(project).await?, output).await,
        CertCommand::Rotate { authority } => {
            let installation = super::writer(global).await?;
            let rotated = rotate(&installation, *authority).await;
            if rotated.is_ok()
                && let Some(host) = hosted::current()
            {
                host.inside().show_certificate();
            }
            installation.close_after(rotated).await
        }
    }
}

/// Prints the authority's certificate. Whoever serves beside us has made it already; else it is made here.
async fn trust(global: &Global, project: Project, out: Option<&Path>) -> Outcome {
    let reader = Installation::open_read_only(project.clone()).await?;
    let held = certificate::read(&reader).await?;
    drop(reader);
    if let Some(held) = held {
        return told(&project, &held, out);
    }
    let installation = Installation::open(project, global.wait).await?;
    let made = certificate::ensure(&installation).await;
    let made = made.and_then(|held| told(&installation.project, &held, out));
    installation.close_after(made).await
}

fn told(project: &Project, held: &Held, out: Option<&Path>) -> Outcome {
    let details = held.authority.details();
    if let Some(tls) = &project.environment().serving.tls {
        print::note(&format!("note: the listeners show the certificate of {}, which this authority did not sign", tls.chain));
    }
    print::note(&format!("{}: SHA-256 {}, until {}", details.name, details.fingerprint, time(details.not_after_ms)));
    match out {
        Some(file) => project_file::replace(file, &held.authority.issued().pem()),
        None => print::document(&held.authority.issued().pem()),
    }
}

async fn show(installation: &Installation, output: Output) -> Outcome {
    let mut listing = Listing::new(&["certificate", "name", "for", "from", "until", "sha256"]);
    let mut row = |what: &str, details: &Details| {
        let subjects: Vec<String> = details.subjects.iter().map(ToString::to_string).collect();
        let (from, until) = (time(details.not_before_ms), time(details.not_after_ms));
        listing.row([json!(what), json!(details.name), json!(subjects), json!(from), json!(until), json!(details.fingerprint)]);
    };
    if let Some(tls) = &installation.project.environment().serving.tls {
        let shown = certificate::of_files(&installation.project, tls, installation.clock.now_ms())?;
        let whats = std::iter::once("server").chain(std::iter::repeat("signer"));
        for (what, details) in whats.zip(&shown.chain).filter_map(|(what, shown)| Some((what, Details::of(shown)?))) {
            row(what, &details);
        }
    } else if let Some(held) = certificate::read(installation).await? {
        row("authority", held.authority.details());
        if let Some(details) = Details::of(&held.server.certificate) {
            row("server", &details);
        }
    } else {
        print::note("there is no certificate yet: `polder serve` and `polder cert trust` make one");
    }
    listing.print(output)
}

async fn rotate(installation: &Installation, authority: bool) -> Outcome {
    installation.require(Action::ManageKeys).await?;
    let held = certificate::rotate(installation, authority).await?;
    let details = held.authority.details();
    if authority {
        print::note("clients must trust the new authority before they can connect: give them `polder cert trust`");
        match client_certificates::of_the_authority(installation).await? {
            0 => {}
            1 => print::note(
                "1 client certificate of the former authority lets nobody in any more: issue its service another (`polder service certificate list`)",
            ),
            more => print::note(&format!(
                "{more} client certificates of the former authority let nobody in any more: issue their services others (`polder service certificate list`)"
            )),
        }
    }
    print::text(&format!("authority    {}: SHA-256 {}, until {}", details.name, details.fingerprint, time(details.not_after_ms)))?;
    if let Some(server) = Details::of(&held.server.certificate) {
        print::text(&format!("server       SHA-256 {}, until {}", server.fingerprint, time(server.not_after_ms)))?;
    }
    Ok(())
}
