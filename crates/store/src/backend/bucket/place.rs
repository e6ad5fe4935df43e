//! Which bucket, where, and by whose right: what the settings say, checked before anything is sent.

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;

use polder_types::Secret;
use reqwest::Url;

/// Longest prefix, in bytes: what a key may have beyond it is enough for every path of a store.
const PREFIX_MAX_BYTES: usize = 512;
/// The region that storage which knows none is asked under.
const REGION: &str = "us-east-1";

/// A prefix of a bucket, and what it takes to reach it.
#[derive(Debug, Clone)]
pub struct S3Place {
    /// Bucket, prefix, endpoint and region.
    pub address: S3Address,
    /// Certificates of the only authorities that are trusted, as PEM; without it, those that the system trusts.
    pub ca_pem: Option<Vec<u8>>,
    /// By whose right.
    pub credentials: Arc<dyn S3Credentials>,
    /// The directory of this machine in which each store has one for sealed temporary files.
    pub temporary: PathBuf,
}

/// Where keys come from. Asked for each request, so that keys that are rotated need no new start.
pub trait S3Credentials: Debug + Send + Sync {
    /// The keys as they are now.
    ///
    /// # Errors
    /// A text that says which of them cannot be had; it holds none of them.
    fn read(&self) -> Result<Credentials, String>;
}

/// Keys of an account.
#[derive(Debug)]
pub struct Credentials {
    /// The key's id.
    pub access_key_id: Secret<String>,
    /// The key.
    pub secret_access_key: Secret<String>,
    /// What temporary keys come with.
    pub session_token: Option<Secret<String>>,
}

/// Bucket, prefix, endpoint and region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Address {
    pub(super) bucket: String,
    pub(super) prefix: String,
    /// Scheme, host and port.
    pub(super) endpoint: String,
    pub(super) region: String,
    /// Over plain HTTP, to this machine itself.
    pub(super) plain: bool,
}

/// What is wrong with an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongAddress {
    /// Which setting.
    pub setting: &'static str,
    /// What is wrong with it.
    pub problem: String,
    /// What to write instead.
    pub advice: &'static str,
}

impl S3Address {
    /// Checks `bucket/prefix`, an endpoint (`https://host`) and a region. Without an endpoint it is Amazon's of the region. Plain
    /// HTTP is taken with `plain_loopback`, and for this machine itself alone.
    ///
    /// # Errors
    /// What is wrong with which of them.
    pub fn parse(location: &str, endpoint: Option<&str>, region: Option<&str>, plain_loopback: bool) -> Result<Self, WrongAddress> {
        let (bucket, prefix) = location.split_once('/').map_or((location, None), |(bucket, prefix)| (bucket, Some(prefix)));
        let name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if !(3..=255).contains(&bucket.len()) || !bucket.bytes().all(name) || bucket.starts_with('.') {
            let advice = "write bucket/prefix: 3 or more letters, digits, `-`, `_` and `.`, then `/` and a prefix";
            // It is not repeated: as in other tools' addresses, keys may stand before the name.
            return Err(wrong("s3", "it does not begin with the name of a bucket".to_owned(), advice));
        }
        let segment = |segment: &str| {
            !matches!(segment, "" | "." | "..") && segment.bytes().all(|byte| name(byte) || matches!(byte, b'=' | b'+' | b'@'))
        };
        if prefix.is_some_and(|prefix| !prefix.split('/').all(segment) || prefix.len() > PREFIX_MAX_BYTES) {
            let advice = "write letters, digits, `-`, `_`, `.`, `=`, `+` and `@` between single `/`, none at the end; at most 512 bytes";
            return Err(wrong("s3", format!("`{}` is no prefix", prefix.unwrap_or_default()), advice));
        }
        if region.is_some_and(|region| !is_region(region)) {
            return Err(wrong("region", "it is not the name of a region".to_owned(), "write it as the provider does, such as eu-west-3"));
        }
        let (endpoint, plain) = match (endpoint, region) {
            (Some(endpoint), _) => origin(endpoint, plain_loopback)?,
            (None, Some(region)) => {
                let end = if region.starts_with("cn-") { ".cn" } else { "" };
                (format!("https://s3.{region}.amazonaws.com{end}"), false)
            }
            (None, None) => {
                let advice = "write `endpoint: https://...`, or `region` for Amazon's own";
                return Err(wrong("endpoint", "neither `endpoint` nor `region` is there".to_owned(), advice));
            }
        };
        let region = region.unwrap_or(REGION).to_owned();
        Ok(Self { bucket: bucket.to_owned(), prefix: prefix.unwrap_or_default().to_owned(), endpoint, region, plain })
    }

    /// `s3://bucket/prefix`
    pub fn name(&self) -> String {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        format!("s3://{}{slash}{}", self.bucket, self.prefix)
    }

    /// Scheme, host and port of the storage.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Whether what is sent is not encrypted on its way, which never leaves this machine then.
    pub fn is_plain(&self) -> bool {
        self.plain
    }

    /// The key of a path.
    pub(super) fn key(&self, path: &str) -> String {
        if self.prefix.is_empty() { path.to_owned() } else { format!("{}/{path}", self.prefix) }
    }
}

/// As providers name them.
pub(super) fn is_region(region: &str) -> bool {
    (1..=32).contains(&region.len()) && region.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

fn wrong(setting: &'static str, problem: String, advice: &'static str) -> WrongAddress {
    WrongAddress { setting, problem, advice }
}

/// Scheme, host and port, and whether the scheme is plain HTTP.
fn origin(endpoint: &str, plain_loopback: bool) -> Result<(String, bool), WrongAddress> {
    let advice = "write https://HOST or https://HOST:PORT, with nothing after it and no name or password in it";
    // A wrong one is not repeated: it may hold a password.
    let url = Url::parse(endpoint).map_err(|_| wrong("endpoint", "it is not an address".to_owned(), advice))?;
    let bare = url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    let Some(host) = url.host_str().filter(|_| bare && matches!(url.path(), "" | "/")) else {
        return Err(wrong("endpoint", "it holds more than scheme, host and port".to_owned(), advice));
    };
    let plain = match url.scheme() {
        "https" => false,
        "http" if !is_loopback(host) => {
            let advice = "write https: what goes to another machine is always encrypted";
            return Err(wrong("endpoint", format!("plain HTTP to {host}"), advice));
        }
        "http" if !plain_loopback => {
            let advice = "write https, or allow `plain_loopback` for a storage on this machine itself";
            return Err(wrong("endpoint", format!("plain HTTP to {host}"), advice));
        }
        "http" => true,
        _ => return Err(wrong("endpoint", "its scheme is not https".to_owned(), advice)),
    };
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    Ok((format!("{}://{host}{port}", url.scheme()), plain))
}

/// Whether a host is this machine, by its name alone. `localhost` is not looked up: it means 127.0.0.1.
fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(location: &str, endpoint: Option<&str>, region: Option<&str>, plain: bool) -> String {
        let wrong = S3Address::parse(location, endpoint, region, plain).unwrap_err();
        format!("{}: {}; {}", wrong.setting, wrong.problem, wrong.advice)
    }

    #[test]
    fn an_address_is_a_bucket_a_prefix_and_an_origin() {
        let address = S3Address::parse("data/polder/shop", Some("https://minio.example:9000/"), None, false).unwrap();
        assert_eq!((address.name().as_str(), address.endpoint()), ("s3://data/polder/shop", "https://minio.example:9000"));
        assert_eq!((address.key("lease/1").as_str(), address.region.as_str()), ("polder/shop/lease/1", "us-east-1"));
        let whole = S3Address::parse("data", None, Some("eu-west-3"), false).unwrap();
        assert_eq!(
            (whole.name().as_str(), whole.endpoint(), whole.key("a").as_str()),
            ("s3://data", "https://s3.eu-west-3.amazonaws.com", "a")
        );
        let china = S3Address::parse("data", None, Some("cn-north-1"), false).unwrap();
        assert_eq!(china.endpoint(), "https://s3.cn-north-1.amazonaws.com.cn");
        for location in ["", "ab", "a b c/x", "s3://data/x", ".data/x", "data/", "data//x", "data/../x", "data/x/", "data/é"] {
            assert!(refused(location, None, Some("eu-west-3"), false).starts_with("s3: "), "{location}");
        }
        for location in ["KEYID:geheim@data/x", "KEYID:ge/heim@data", "geheim:@data"] {
            let refused = refused(location, None, Some("eu-west-3"), false);
            assert!(refused.starts_with("s3: it does not begin") && !refused.contains("heim"), "{refused}");
        }
        assert!(S3Address::parse(&format!("data/{}", "x".repeat(513)), None, Some("eu-west-3"), false).is_err());
        for region in ["", "EU", "eu/west", "eu.west"] {
            assert!(refused("data", None, Some(region), false).starts_with("region: "), "{region}");
        }
        assert!(refused("data", None, None, false).starts_with("endpoint: neither"));
    }

    #[test]
    fn plain_http_is_for_this_machine_and_only_when_it_is_spelt_out() {
        let here = ["http://127.0.0.1:5000", "http://127.8.8.8", "http://[::1]:9000", "http://localhost:5000"];
        for endpoint in here {
            assert!(S3Address::parse("data/x", Some(endpoint), None, true).unwrap().is_plain());
            assert!(refused("data/x", Some(endpoint), None, false).contains("plain_loopback"), "{endpoint}");
        }
        for endpoint in
            ["http://minio.example", "http://10.0.0.1", "http://127.0.0.1.example.org", "http://localhost.example.org", "http://0.0.0.0"]
        {
            for allowed in [true, false] {
                assert!(refused("data/x", Some(endpoint), None, allowed).contains("always encrypted"), "{endpoint}");
            }
        }
        assert!(!S3Address::parse("data/x", Some("https://127.0.0.1:5000"), None, true).unwrap().is_plain());
    }

    #[test]
    fn an_endpoint_with_more_than_an_origin_is_refused_and_not_repeated() {
        for endpoint in [
            "https://ann:geheim@minio.example",
            "https://minio.example/?geheim",
            "https://minio.example/geheim",
            "geheim",
            "ftp://geheim.example",
            "https://",
        ] {
            let text = refused("data/x", Some(endpoint), None, true);
            assert!(text.starts_with("endpoint: ") && !text.contains("geheim"), "{text}");
        }
    }
}
