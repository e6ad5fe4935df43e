use polder_types::ErrorKind;
use polder_types::random::RandomError;

/// What can go wrong with a sealed object. The caller knows its name and adds it; nothing here holds a value or a key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The first bytes are not those of a sealed object.
    #[error("read sealed object: its header is not one of Polder's; restore the object from a backup")]
    NotSealed,
    /// A version or algorithm that this program does not know.
    #[error("read sealed object: its format version or algorithm is unknown; open it with the version of Polder that wrote it")]
    UnknownFormat,
    /// Reserved bytes are not zero, or the Tink header's length byte is wrong.
    #[error("read sealed object: reserved bytes of its header were changed; restore the object from a backup")]
    Reserved,
    /// The commitment differs: another key, another name, or a changed header.
    #[error("open sealed object: key, name or header are not those it was sealed with; restore the object from a backup")]
    Commitment,
    /// The object's length is not one that a sealer writes.
    #[error("open sealed object: it was cut or extended; restore the object from a backup")]
    Length,
    /// A segment does not authenticate.
    #[error("open sealed object: segment {index} was changed, moved or cut; restore the object from a backup")]
    Segment {
        /// Which segment, from 0.
        index: u32,
    },
    /// The caller asked for plaintext before the object's length was authenticated.
    #[error("open sealed object: its length is not authenticated yet; open the last segment first")]
    LengthNotAuthenticated,
    /// More plaintext than the format can hold.
    #[error("seal object: it is longer than 256 TiB; split it")]
    TooLong,
    /// The cipher refused to work, which it never does for lengths that it was given.
    #[error("seal object: the cipher failed; report this as a defect")]
    Cipher,
    /// A masked value does not open.
    #[error("open encrypted value: it was encrypted under another domain, changed or cut; name the domain of its column")]
    Field,
    /// No randomness.
    #[error("seal object: no randomness for its key")]
    Random(#[from] RandomError),
}

impl Error {
    /// What the error means to whoever must act on it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotSealed | Self::UnknownFormat | Self::Reserved | Self::Commitment | Self::Length | Self::Segment { .. } => {
                ErrorKind::Corrupt
            }
            Self::LengthNotAuthenticated | Self::Cipher => ErrorKind::Internal,
            Self::TooLong | Self::Field => ErrorKind::Invalid,
            Self::Random(_) => ErrorKind::Unavailable,
        }
    }
}
