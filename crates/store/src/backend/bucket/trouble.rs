//! What can go wrong with a storage on the network. Nothing here repeats what the storage wrote but a code of a few letters: an
//! answer may quote a request, with its signature.

use std::time::Duration;

use polder_types::ErrorKind;

/// Longest code that is repeated.
const CODE_MAX: usize = 64;
/// Longest reason of a failed connection that is repeated.
const REASON_MAX: usize = 300;

/// Why the storage did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// No answer in time.
    #[error("the storage did not answer within {} seconds", .0.as_secs())]
    Timeout(Duration),
    /// No connection: nothing was sent.
    #[error("no connection to the storage: {0}")]
    Connect(String),
    /// No connection that is trusted: nothing was sent.
    #[error("no trusted connection to the storage: {0}")]
    Tls(String),
    /// The connection ended.
    #[error("the connection to the storage ended before its answer did")]
    Broken,
    /// The storage says no.
    #[error("the storage answered {status}{}", code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default())]
    Status {
        /// The HTTP status.
        status: u16,
        /// The code in the answer.
        code: Option<String>,
        /// Where the bucket lies, when the storage says that it lies elsewhere.
        region: Option<String>,
        /// The right that the request needs.
        needs: &'static str,
    },
    /// The answer is none that such a storage gives.
    #[error("the answer is not that of S3-compatible storage: {0}")]
    Odd(&'static str),
    /// The keys cannot be had.
    #[error("{0}")]
    Keys(String),
    /// A listing is longer than is followed.
    #[error("more than {0} objects lie there")]
    TooMany(usize),
}

/// Where the settings stand that are to be corrected.
struct Settings {
    keys: &'static str,
    bucket: &'static str,
    /// What a storage must be able to do.
    able: &'static str,
    /// Whose settings they are.
    whose: &'static str,
}

const OF_THE_STORE: Settings = Settings {
    keys: "`access_key_id`, `secret_access_key` and `session_token` of the store",
    bucket: "`s3` and `endpoint`",
    able: "docs/format/store-layout.md says what a store needs",
    whose: "the settings of the store",
};
const OF_A_SOURCE: Settings = Settings {
    keys: "`access_key_id`, `secret_access_key` and `session_token` of the source",
    bucket: "`path` and `endpoint` of the source",
    able: "docs/format/source.md says what a source needs",
    whose: "the settings of the source",
};

impl Trouble {
    /// A status, with what of the answer may be repeated.
    pub(super) fn status(status: u16, code: Option<&str>, region: Option<&str>, needs: &'static str) -> Self {
        let plain = |code: &&str| (1..=CODE_MAX).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let code = code.filter(plain).map(str::to_owned);
        let region = region.filter(|region| super::place::is_region(region)).map(str::to_owned);
        Self::Status { status, code, region, needs }
    }

    pub(super) fn connect(reason: &str) -> Self {
        Self::Connect(reason.chars().filter(|letter| !letter.is_control()).take(REASON_MAX).collect())
    }

    pub(super) fn tls(reason: &str) -> Self {
        Self::Tls(reason.chars().filter(|letter| !letter.is_control()).take(REASON_MAX).collect())
    }

    fn code(&self) -> &str {
        match self {
            Self::Status { code, .. } => code.as_deref().unwrap_or_default(),
            _ => "",
        }
    }

    /// Whether it may be over in a moment.
    pub(super) fn passes(&self) -> bool {
        match self {
            Self::Timeout(_) | Self::Connect(_) | Self::Broken => true,
            Self::Status { status, .. } => {
                matches!(status, 408 | 429 | 500 | 502..=504) || (*status == 409 && self.code() == "ConditionalRequestConflict")
            }
            Self::Tls(_) | Self::Odd(_) | Self::Keys(_) | Self::TooMany(_) => false,
        }
    }

    /// Whether there is no use in looking for what was written: nothing can be sent, or is allowed.
    pub(super) fn bars_looking(&self) -> bool {
        match self {
            Self::Tls(_) | Self::Keys(_) => true,
            Self::Status { status, .. } => matches!(status, 301 | 307 | 401 | 403 | 405 | 501),
            Self::Timeout(_) | Self::Connect(_) | Self::Broken | Self::Odd(_) | Self::TooMany(_) => false,
        }
    }

    /// Whether the keys were not taken, as while they are being exchanged.
    pub(super) fn is_of_keys(&self) -> bool {
        matches!(self.code(), "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired")
    }

    /// Whether there is no such upload: it was completed or aborted.
    pub(super) fn is_of_upload(&self) -> bool {
        matches!(self, Self::Status { status: 404, .. }) && self.code() == "NoSuchUpload"
    }

    /// Whether what is not done there at all was asked for.
    pub(super) fn is_unknown_there(&self) -> bool {
        matches!(self, Self::Status { status: 405 | 501, .. })
    }

    /// Whether the storage has no room left.
    pub(crate) fn is_no_space(&self) -> bool {
        matches!(self, Self::Status { status: 507, .. }) || matches!(self.code(), "QuotaExceeded" | "XMinioStorageFull")
    }

    /// What it means to who reads from the bucket of a source.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::TooMany(_) => ErrorKind::Rejected,
            _ if self.is_of_keys() => ErrorKind::Denied,
            Self::Status { status: 401 | 403, .. } => ErrorKind::Denied,
            Self::Status { status: 404, .. } => ErrorKind::NotFound,
            Self::Status { status: 301 | 307 | 400, .. } => ErrorKind::Invalid,
            Self::Timeout(_) | Self::Connect(_) | Self::Tls(_) | Self::Broken | Self::Status { .. } | Self::Odd(_) | Self::Keys(_) => {
                ErrorKind::Unavailable
            }
        }
    }

    /// What to do about the storage of a source.
    pub fn advice_of_source(&self) -> String {
        self.advised(&OF_A_SOURCE)
    }

    /// What to do about the storage of the store.
    pub(crate) fn advice(&self) -> String {
        self.advised(&OF_THE_STORE)
    }

    fn advised(&self, settings: &Settings) -> String {
        let fixed = match self {
            Self::Timeout(_) | Self::Connect(_) | Self::Broken => {
                "the storage cannot be reached now; try again, and check `endpoint` and the network if it stays so"
            }
            Self::Tls(_) => {
                "the storage does not prove who it is; name the host of its certificate in `endpoint`, and its authority's file in `ca` if the system does not know it"
            }
            Self::Odd(_) => "check that `endpoint` is that of S3-compatible storage",
            Self::Keys(_) => return format!("set what {} name", settings.keys),
            Self::TooMany(_) => "name a longer prefix",
            Self::Status { region: Some(region), .. } => {
                return format!("the bucket lies in another region; set `region: {region}` and the endpoint of that region");
            }
            Self::Status { .. } if self.is_of_keys() => {
                return format!("the storage does not take the keys; check what {} name", settings.keys);
            }
            Self::Status { status, needs, .. } => match (*status, self.code()) {
                (_, "SlowDown" | "TooManyRequests") | (429, _) => {
                    "the storage asks for fewer requests at a time; try again later, and raise the account's limits if it stays so"
                }
                (_, "RequestTimeTooSkewed") => "this machine's clock and the storage's differ; set the clock",
                (_, "NoSuchBucket") => return format!("there is no such bucket; make it, or correct {}", settings.bucket),
                (301 | 307, _) => "the bucket lies elsewhere; correct `region` and `endpoint`",
                (401 | 403, _) => {
                    return format!("the account may not do that; give it the right {needs} for the bucket and prefix");
                }
                (405 | 501, _) => return format!("the storage cannot do that; take one that can, {}", settings.able),
                (408 | 500 | 502..=504, _) => "the storage is in trouble or overloaded; try again later",
                _ => return format!("the storage refuses the request; check {}", settings.whose),
            },
        };
        fixed.to_owned()
    }
}
