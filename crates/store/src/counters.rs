//! What was asked of the disk, so that "one request" and "bounded memory" are figures and not promises.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Requests since the backend was opened.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct Counters { $($(#[$doc])* pub $name: u64),* }

        #[derive(Debug, Default)]
        pub(crate) struct Live { $(pub(crate) $name: AtomicU64),* }

        impl Live {
            pub(crate) fn snapshot(&self) -> Counters {
                Counters { $($name: self.$name.load(Ordering::Relaxed)),* }
            }
        }
    };
}

counters! {
    /// Objects created.
    creates,
    /// Objects replaced.
    replaces,
    /// Objects opened for reading, whatever was read of each.
    reads,
    /// Lengths asked for without opening.
    heads,
    /// Listings.
    lists,
    /// Objects deleted.
    deletes,
    /// Requests sent to a bucket, those included that were sent again.
    requests,
    /// Sealed bytes written, temporaries included.
    bytes_written,
    /// Sealed bytes read, temporaries included.
    bytes_read,
    /// Plaintext and sealed bytes that uploads hold now.
    upload_bytes,
    /// The most that uploads held at once.
    upload_bytes_max,
}

impl Live {
    pub(crate) fn add(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Ordering::Relaxed);
    }

    pub(crate) fn hold_upload(&self, bytes: u64) {
        let now = self.upload_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.upload_bytes_max.fetch_max(now, Ordering::Relaxed);
    }

    pub(crate) fn release_upload(&self, bytes: u64) {
        self.upload_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}
