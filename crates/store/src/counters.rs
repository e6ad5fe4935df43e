//! What was asked of the storage, so that "one request", "bounded memory" and what a load costs are figures and not promises.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

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
    /// Requests sent to a bucket for bytes of an object, those included that were sent again, as in all that is sent.
    sent_gets,
    /// Requests sent to a bucket that write: objects, and the begins, parts and ends of uploads.
    sent_puts,
    /// Requests sent to a bucket for a page of a listing.
    sent_lists,
    /// Requests sent to a bucket that delete an object or give an upload up.
    sent_deletes,
    /// Requests sent to a bucket for what is known of an object.
    sent_heads,
    /// Bytes of objects written, as they are stored. What is sent again counts once, and what did not become an object may count.
    bytes_written,
    /// Bytes of objects read, as they are stored.
    bytes_read,
    /// Bytes of temporary files written, as they are stored.
    temporary_bytes_written,
    /// Bytes of temporary files read, as they are stored.
    temporary_bytes_read,
    /// Plaintext and sealed bytes that uploads hold now.
    upload_bytes,
    /// The most that uploads held at once.
    upload_bytes_max,
}

/// What was asked of the storage, as whoever pays for it counts: in a bucket requests, in a directory files opened, named, listed and
/// deleted. Temporary files are not among it: they lie on this machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// For bytes of objects. In a directory each file that is opened is one, whatever is read of it.
    pub gets: u64,
    /// Writes. Parts of an object that is uploaded in parts, its begin and its end are one each.
    pub puts: u64,
    /// Listings. In a bucket a page of a thousand objects is one.
    pub lists: u64,
    /// Deletions.
    pub deletes: u64,
    /// For what is known of an object without its bytes.
    pub heads: u64,
    /// Bytes of objects read, as they are stored.
    pub bytes_read: u64,
    /// Bytes of objects written, as they are stored.
    pub bytes_written: u64,
}

impl Asked {
    /// What was asked since `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            gets: self.gets.saturating_sub(before.gets),
            puts: self.puts.saturating_sub(before.puts),
            lists: self.lists.saturating_sub(before.lists),
            deletes: self.deletes.saturating_sub(before.deletes),
            heads: self.heads.saturating_sub(before.heads),
            bytes_read: self.bytes_read.saturating_sub(before.bytes_read),
            bytes_written: self.bytes_written.saturating_sub(before.bytes_written),
        }
    }

    /// All requests.
    pub fn requests(self) -> u64 {
        [self.gets, self.puts, self.lists, self.deletes, self.heads].into_iter().fold(0, u64::saturating_add)
    }
}

impl Counters {
    /// What was asked of a directory.
    pub(crate) fn of_files(self) -> Asked {
        let Self { reads, creates, replaces, lists, deletes, heads, bytes_read, bytes_written, .. } = self;
        Asked { gets: reads, puts: creates.saturating_add(replaces), lists, deletes, heads, bytes_read, bytes_written }
    }

    /// What was asked of a bucket.
    pub(crate) fn of_requests(self) -> Asked {
        let Self { sent_gets, sent_puts, sent_lists, sent_deletes, sent_heads, bytes_read, bytes_written, .. } = self;
        Asked { gets: sent_gets, puts: sent_puts, lists: sent_lists, deletes: sent_deletes, heads: sent_heads, bytes_read, bytes_written }
    }
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
