//! How long a storage is waited for, and how often it is asked.

use std::future::Future;
use std::time::Duration;

use parking_lot::Mutex;
use polder_types::Rng;

use super::trouble::Trouble;

/// How long a bucket is waited for.
#[derive(Debug, Clone)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For one answer, whole.
    pub request: Duration,
    /// For what others see when it is done: an object that is named, replaced or deleted, all attempts together. Together with the age
    /// that a lease's last sign of life may have before a commit it is no more than the time after which a lease counts as stale.
    pub visible: Duration,
    /// For all else: reading, listing, parts of an upload.
    pub rest: Duration,
    /// Most attempts.
    pub attempts: u32,
    /// Before the second attempt; doubled before each later one, up to 50 times this.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            request: Duration::from_secs(45),
            visible: Duration::from_secs(60),
            rest: Duration::from_secs(180),
            attempts: 12,
            pause: Duration::from_millis(100),
        }
    }
}

impl Patience {
    /// The pause before attempt `next` (from 2): half of it fixed, half of it random, so that those who were refused together do not come
    /// back together.
    fn pause(&self, next: u32, rng: &dyn Rng) -> Duration {
        let full = self.pause.saturating_mul(1 << next.saturating_sub(2).min(10)).min(self.pause.saturating_mul(50));
        let mut random = [u8::MAX];
        // Without randomness the pause is the longest.
        let _ = rng.fill(&mut random);
        full / 2 + full / 2 * u32::from(u8::from_le_bytes(random)) / 255
    }

    /// Most attempts where one ended in this trouble.
    fn most_after(&self, trouble: &Trouble) -> u32 {
        match trouble {
            // Who mistyped an address should not wait as long as for a storage that is being started again.
            Trouble::Connect(_) => self.attempts.div_ceil(2),
            trouble if trouble.passes() => self.attempts,
            // Keys that are being exchanged are whole the next time they are read.
            trouble if trouble.is_of_keys() => 2,
            _ => 1,
        }
    }

    /// Asks until there is an answer that trying again does not change, or patience is at an end.
    pub(super) async fn ask<T, F>(&self, within: Duration, rng: &dyn Rng, mut attempt: impl FnMut() -> F) -> Result<T, Trouble>
    where
        F: Future<Output = Result<T, Trouble>>,
    {
        let last = Mutex::new(Trouble::Timeout(within));
        let asking = async {
            let mut tried = 1;
            loop {
                match attempt().await {
                    Err(trouble) if tried < self.most_after(&trouble) => {
                        *last.lock() = trouble;
                        tried += 1;
                        tokio::time::sleep(self.pause(tried, rng)).await;
                    }
                    answered => return answered,
                }
            }
        };
        match tokio::time::timeout(within, asking).await {
            Ok(answered) => answered,
            Err(_) => Err(last.into_inner()),
        }
    }
}
