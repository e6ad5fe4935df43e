//! What a source file says of a bucket: where it is, and the references to the keys. The program that opens it checks the address.

use std::path::PathBuf;

use serde::Deserialize;

use super::database::{WrongKey, key, reference};

/// What `path` begins with.
const SCHEME: &str = "s3://";
/// Longest key of an object.
const KEY_MAX_BYTES: usize = 1024;

/// A bucket on S3-compatible storage, and what of it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// With what the keys begin that are read: a directory or an object, without `/` at its ends. Empty for the whole bucket.
    pub prefix: String,
    /// `https://HOST` of the storage; Amazon's of the region without it.
    pub endpoint: Option<String>,
    pub region: Option<String>,
    /// Reference to the key's id.
    pub access_key_id: String,
    /// Reference to the key.
    pub secret_access_key: String,
    /// Reference to what temporary keys come with.
    pub session_token: Option<String>,
    /// PEM file of the only authorities that are trusted, relative to the project. Those of the system without it.
    pub ca: Option<PathBuf>,
    /// Whether plain HTTP is taken from a storage on this machine itself.
    pub plain_loopback: bool,
}

impl Bucket {
    /// `s3://bucket/prefix`
    pub fn location(&self) -> String {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        format!("{SCHEME}{}{slash}{}", self.name, self.prefix)
    }

    /// `s3://bucket/key`
    pub(crate) fn shown(&self, key: &str) -> PathBuf {
        PathBuf::from(format!("{SCHEME}{}/{key}", self.name))
    }
}

/// `s3` as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BucketFile {
    endpoint: Option<String>,
    region: Option<String>,
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    session_token: Option<String>,
    ca: Option<String>,
    plain_loopback: Option<bool>,
}

/// Whether a path is that of a bucket.
pub(super) fn is_of_bucket(path: &str) -> bool {
    path.starts_with(SCHEME)
}

/// The bucket of a path, and what `s3` says of it.
pub(super) fn bucket(path: &str, file: Option<BucketFile>) -> Result<Bucket, WrongKey> {
    let place = path.strip_prefix(SCHEME).unwrap_or(path);
    let place = place.strip_suffix('/').unwrap_or(place);
    let (name, prefix) = place.split_once('/').unwrap_or((place, ""));
    let part = |part: &str| !matches!(part, "" | "." | "..");
    let fits = prefix.is_empty() || prefix.split('/').all(part);
    if name.is_empty() || !fits || prefix.len() > KEY_MAX_BYTES || prefix.chars().any(char::is_control) {
        return key("path", "`path` is no place in a bucket", "write s3://BUCKET/PREFIX, without empty parts, `.` and `..`");
    }
    if prefix.contains(['*', '?']) {
        return key("path", "`path` holds a wildcard", "name the directory in `path`, and the pattern in `file` of a dataset");
    }
    let Some(file) = file else {
        return key(
            "path",
            "`path` is in a bucket, and `s3` with the keys to it is missing",
            "add `s3: {region: ..., access_key_id: env:NAME, secret_access_key: env:NAME}`",
        );
    };
    let written = [
        ("access_key_id", file.access_key_id.as_deref()),
        ("secret_access_key", file.secret_access_key.as_deref()),
        ("session_token", file.session_token.as_deref()),
    ];
    for (name, text) in written {
        reference(name, text)?;
    }
    let (Some(access_key_id), Some(secret_access_key)) = (file.access_key_id, file.secret_access_key) else {
        return key(
            "s3",
            "`s3` lacks a key",
            "write `access_key_id` and `secret_access_key`, each as env:NAME, file:PATH or credential:NAME",
        );
    };
    if file.endpoint.is_none() && file.region.is_none() {
        return key("s3", "`s3` says neither `endpoint` nor `region`", "write `endpoint: https://...`, or `region` for Amazon's own");
    }
    Ok(Bucket {
        name: name.to_owned(),
        prefix: prefix.to_owned(),
        endpoint: file.endpoint,
        region: file.region,
        access_key_id,
        secret_access_key,
        session_token: file.session_token,
        ca: file.ca.map(PathBuf::from),
        plain_loopback: file.plain_loopback.unwrap_or(false),
    })
}

#[cfg(test)]
mod tests {
    use crate::{Connection, Error};

    fn parsed(path: &str, s3: &str) -> Result<Connection, Error> {
        Connection::parse(&format!("type: csv\npath: {path}\ns3: {s3}\ndatasets:\n  a: {{file: '*.csv'}}\n"), "sources/in.yaml")
    }

    const KEYS: &str = "access_key_id: 'env:A', secret_access_key: 'file:b'";

    #[test]
    fn a_path_in_a_bucket_is_taken_apart() {
        for (path, name, prefix) in [
            ("s3://lake", "lake", ""),
            ("s3://lake/", "lake", ""),
            ("s3://lake/in/2026", "lake", "in/2026"),
            ("s3://lake/My Exports/é/", "lake", "My Exports/é"),
        ] {
            let bucket = parsed(path, &format!("{{region: eu-west-3, {KEYS}}}")).unwrap().bucket.unwrap();
            assert_eq!((bucket.name.as_str(), bucket.prefix.as_str()), (name, prefix), "{path}");
            assert_eq!(bucket.location(), path.trim_end_matches('/'));
        }
        for path in ["s3://", "s3:///in", "s3://lake//in", "s3://lake/../in", "s3://lake/in//", "s3://lake/in/*.csv"] {
            let error = parsed(path, &format!("{{region: eu-west-3, {KEYS}}}")).unwrap_err().to_string();
            assert!(error.contains("sources/in.yaml, line 2: `path`"), "{path}: {error}");
        }
    }

    #[test]
    fn what_is_wrong_with_the_keys_to_a_bucket_is_told_and_no_secret_is() {
        for (s3, wanted) in [
            ("{region: r}", "line 3: `s3` lacks a key"),
            (&*format!("{{{KEYS}}}"), "line 3: `s3` says neither `endpoint` nor `region`"),
            ("{region: r, access_key_id: AKIAgeheim, secret_access_key: 'env:B'}", "`access_key_id` is not a reference"),
            ("{region: r, access_key_id: 'env:A', secret_access_key: geheim}", "`secret_access_key` is not a reference"),
            (&*format!("{{region: r, {KEYS}, session_token: geheim}}"), "`session_token` is not a reference"),
            (&*format!("{{regio: r, {KEYS}}}"), "unknown key `regio`; did you mean region?"),
        ] {
            let error = parsed("s3://lake/in", s3).unwrap_err().to_string();
            assert!(error.contains(wanted) && !error.contains("geheim"), "{s3}: {error}");
        }
        for s3 in ["'AKIA:geheim'", "[geheim]", "{region: r, access_key_id: [geheim]}", "{region: r, access_key_id: {geheim: geheim}}"] {
            let error = parsed("s3://lake/in", s3).unwrap_err().to_string();
            assert!(error.contains("sources/in.yaml, line ") && !error.contains("geheim"), "{s3}: {error}");
        }
        let without = |yaml: &str| Connection::parse(yaml, "sources/in.yaml").unwrap_err().to_string();
        let error = without("type: csv\npath: s3://lake/in\ndatasets: {a: {}}\n");
        assert!(error.contains("line 2: `path` is in a bucket, and `s3` with the keys to it is missing"), "{error}");
        let error = without(&format!("type: csv\npath: data\ns3: {{region: r, {KEYS}}}\ndatasets: {{a: {{}}}}\n"));
        assert!(error.contains("line 3: `s3` has no meaning for a path on this machine"), "{error}");
        let error = without(&format!("type: sqlite\npath: a.db\ns3: {{region: r, {KEYS}}}\ntables: ['*']\n"));
        assert!(error.contains("`s3` has no meaning for type sqlite"), "{error}");
        let error = without("type: csv\npath: gs://lake/in\ndatasets: {a: {}}\n");
        assert!(error.contains("s3://BUCKET/PREFIX"), "{error}");
    }
}
