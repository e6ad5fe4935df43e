//! What a keyring says of itself without its keys.

use polder_types::DatasetId;

use crate::custody::root::root_id;
use crate::document::{KeyState, Kit, KitKind};

/// A dataset of the keyring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetInfo {
    /// Its random id.
    pub id: DatasetId,
    /// `system:journal`, `table:flights`, ...
    pub name: String,
    /// The version that seals.
    pub current_version: u32,
    /// Every version there ever was, destroyed ones among them.
    pub versions: Vec<KeyVersionInfo>,
}

/// A version of a dataset's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyVersionInfo {
    /// Its number, from 1.
    pub version: u32,
    /// Where it stands.
    pub state: KeyState,
    /// When it was made, in milliseconds since the epoch.
    pub created_ms: i64,
}

/// A recovery kit that the keyring is wrapped for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryKitInfo {
    /// Its id, in hexadecimal, as its files name it.
    pub id: String,
    /// Needed and total number of shares; `None` for a second key file.
    pub shares: Option<(u8, u8)>,
    /// The first keyring version that it opens.
    pub since_keyring: u64,
    /// When it was written, in milliseconds since the epoch.
    pub written_ms: i64,
    /// When it was last tested; until then `doctor` is red.
    pub tested_ms: Option<i64>,
}

pub(super) fn kit_info(kit: &Kit) -> RecoveryKitInfo {
    RecoveryKitInfo {
        id: hex::encode(root_id(&kit.root)),
        shares: match kit.kind {
            KitKind::Shares { needed, total } => Some((needed, total)),
            KitKind::KeyFile => None,
        },
        since_keyring: kit.since,
        written_ms: kit.written_ms,
        tested_ms: kit.tested_ms,
    }
}
