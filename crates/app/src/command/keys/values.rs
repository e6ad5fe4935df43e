//! `polder keys reveal-values`: encrypted values of masked columns, opened again.

use polder_contract::mask::reveal;
use polder_types::event::{KeyChange, Phase};
use polder_types::{ErrorKind, Event, EventKind, Recorder as _};
use serde_json::json;

use crate::cli::Output;
use crate::failure::{Failure, Outcome};
use crate::field_keys::{DOMAIN, MASKING_VERSION};
use crate::installation::Installation;
use crate::print::Listing;

/// Most bytes that are read: a hundred thousand values and more.
const INPUT_BYTES_MAX: u64 = 16 << 20;

/// Opens the values that standard input holds, one a line, and prints them in their order. Recorded before the first is shown.
///
/// # Errors
/// When there is no such domain, it was not asked for with `--yes`, a line is no value of the domain, or it cannot be recorded.
pub(super) async fn reveal_values(installation: &Installation, domain: &str, yes: bool, output: Output) -> Outcome {
    if !yes {
        let text = format!("reveal values of domain {domain}: give --yes, since they are shown in the clear");
        return Err(Failure::new(ErrorKind::Invalid, text));
    }
    let dataset = installation.keys.find(&format!("{DOMAIN}{domain}")).ok_or_else(|| {
        let text = format!("reveal values of domain {domain}: no such domain; `polder keys show` names them as {DOMAIN}NAME");
        Failure::new(ErrorKind::NotFound, text)
    })?;
    let key = installation.domain_key(domain, dataset)?;
    let unread =
        |error: &(dyn std::error::Error + 'static)| Failure::because(ErrorKind::Invalid, "read the values from standard input", error);
    let input = crate::hosted::input(INPUT_BYTES_MAX).map_err(|error| unread(&error))?;
    let input = String::from_utf8(input).map_err(|error| unread(&error.utf8_error()))?;
    if input.len() as u64 > INPUT_BYTES_MAX {
        let text =
            format!("reveal values of domain {domain}: standard input holds more than {INPUT_BYTES_MAX} bytes; give fewer at a time");
        return Err(Failure::new(ErrorKind::Invalid, text));
    }
    let mut listing = Listing::new(&["value"]);
    let mut values = 0u64;
    for (line, value) in (1u64..).zip(input.lines()).filter(|(_, value)| !value.trim().is_empty()) {
        let text = reveal(&key, value).map_err(|error| Failure::of(error.kind(), &error).during(format!("reveal line {line}")))?;
        listing.row([json!(text)]);
        values += 1;
    }
    let revealed = EventKind::KeysChanged {
        change: KeyChange::ValuesRevealed,
        phase: Phase::Outcome,
        dataset: Some(dataset),
        key_version: Some(MASKING_VERSION),
        keyring_version: installation.keys.keyring_version(),
    };
    installation.journal.record(Event::new(&installation.actor, revealed).with("values", values.to_string())).await?;
    listing.print(output)
}
