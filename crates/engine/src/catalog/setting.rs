//! The settings that clients read and set. Their values are fixed: a SET is granted when it asks for what is so anyway, or for what changes
//! nothing of an answer.

use super::CatalogError;

/// The version of PostgreSQL whose catalog is shown.
pub(super) const SERVER_VERSION: &str = "15.0";

/// What a SET of a setting may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// Anything: it changes nothing here.
    Anything,
    /// Its value, in other words too.
    Only(&'static [&'static str]),
    /// Nothing: it can only be read.
    Nothing,
}

/// A setting.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    pub name: &'static str,
    pub value: &'static str,
    takes: Takes,
}

const ON: &[&str] = &["on", "true", "yes", "1"];
const OFF: &[&str] = &["off", "false", "no", "0"];
const UTC: &[&str] = &[
    "utc",
    "etc/utc",
    "gmt",
    "etc/gmt",
    "universal",
    "zulu",
    "z",
    "0",
    "+00",
    "+00:00",
    "-00",
    "etc/uct",
    "uct",
    "greenwich",
    "gmt0",
    "etc/gmt0",
];

const fn setting(name: &'static str, value: &'static str, takes: Takes) -> Setting {
    Setting { name, value, takes }
}

use Takes::{Anything, Nothing, Only};

const SETTINGS: [Setting; 48] = [
    setting("application_name", "", Anything),
    setting("backslash_quote", "safe_encoding", Only(&["safe_encoding"])),
    setting("bytea_output", "hex", Only(&["hex"])),
    setting("client_encoding", "UTF8", Only(&["utf8", "utf-8", "unicode"])),
    setting("client_min_messages", "notice", Anything),
    setting("cursor_tuple_fraction", "0.1", Anything),
    setting("DateStyle", "ISO, MDY", Only(&["iso", "iso, mdy", "iso,mdy", "mdy", "iso, us"])),
    setting("default_table_access_method", "heap", Only(&["heap"])),
    setting("default_transaction_deferrable", "off", Anything),
    setting("default_transaction_isolation", "read committed", Anything),
    setting("default_transaction_read_only", "on", Only(ON)),
    setting("enable_hashjoin", "on", Anything),
    setting("enable_mergejoin", "on", Anything),
    setting("enable_nestloop", "on", Anything),
    setting("enable_seqscan", "on", Anything),
    setting("extra_float_digits", "1", Only(&["1", "2", "3"])),
    setting("geqo", "on", Anything),
    setting("idle_in_transaction_session_timeout", "0", Anything),
    setting("idle_session_timeout", "0", Anything),
    setting("in_hot_standby", "off", Nothing),
    setting("integer_datetimes", "on", Nothing),
    setting("IntervalStyle", "postgres", Only(&["postgres"])),
    setting("is_superuser", "off", Nothing),
    setting("jit", "off", Anything),
    setting("lc_collate", "C.UTF-8", Nothing),
    setting("lc_ctype", "C.UTF-8", Nothing),
    setting("lc_messages", "C", Anything),
    setting("lc_monetary", "C", Anything),
    setting("lc_numeric", "C", Anything),
    setting("lc_time", "C", Anything),
    setting("lock_timeout", "0", Anything),
    setting("max_identifier_length", "63", Nothing),
    setting("max_index_keys", "32", Nothing),
    setting("plan_cache_mode", "auto", Anything),
    setting("row_security", "on", Only(ON)),
    setting(
        "search_path",
        "public",
        Only(&[
            "public",
            "\"$user\", public",
            "\"$user\",public",
            "$user, public",
            "$user",
            "public, pg_catalog",
            "pg_catalog, public",
            "pg_catalog",
            "",
        ]),
    ),
    setting("server_encoding", "UTF8", Nothing),
    setting("server_version", SERVER_VERSION, Nothing),
    setting("server_version_num", "150000", Nothing),
    setting("session_authorization", "", Nothing),
    setting("standard_conforming_strings", "on", Only(ON)),
    setting("statement_timeout", "0", Anything),
    setting("synchronize_seqscans", "on", Anything),
    setting("TimeZone", "UTC", Only(UTC)),
    setting("transaction_deferrable", "off", Anything),
    setting("transaction_isolation", "read committed", Anything),
    setting("transaction_read_only", "on", Only(ON)),
    setting("work_mem", "4MB", Anything),
];

/// All of them, by name.
pub(super) fn all() -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter()
}

/// One by its name, in any case.
pub(super) fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name.eq_ignore_ascii_case(name))
}

/// One by its name.
///
/// # Errors
/// SQLSTATE 42704 when there is none.
pub(super) fn named(name: &str) -> Result<&'static Setting, CatalogError> {
    find(name).ok_or_else(|| CatalogError::unknown_object(format!("unrecognized configuration parameter \"{name}\"")))
}

/// Whether a SET is granted. `value` is none for DEFAULT.
///
/// # Errors
/// SQLSTATE 42704 for a setting that does not exist, 55P02 for one that is only read, 0A000 for a value that is not offered.
pub(super) fn take(name: &str, value: Option<&str>) -> Result<(), CatalogError> {
    let setting = named(name)?;
    let Some(value) = value.map(str::trim) else {
        return if setting.takes == Nothing { Err(CatalogError::read_only(setting.name)) } else { Ok(()) };
    };
    match setting.takes {
        Anything => Ok(()),
        Nothing => Err(CatalogError::read_only(setting.name)),
        Only(values) if values.iter().any(|taken| taken.eq_ignore_ascii_case(value)) => Ok(()),
        Only(values) => {
            let first = values.first().copied().unwrap_or_default();
            let offered = if values == ON || values == OFF || first.is_empty() { setting.value } else { first };
            Err(CatalogError::unsupported(format!(
                "set {}: the value is not supported; only {} is, or leave the setting as it is",
                setting.name,
                if setting.value.is_empty() { offered } else { setting.value }
            )))
        }
    }
}
