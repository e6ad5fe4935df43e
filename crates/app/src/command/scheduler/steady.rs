//! Whether the clock was set. What is due is by the clock; how long something took is not.

use std::time::Duration;

use tokio::time::Instant;

/// What the clock may differ by between two looks without having been set, in milliseconds: it is corrected bit by bit all the time, and
/// time passes between asking for the one time and for the other.
const SET_MS: i64 = 2_000;

/// The clock, and the time that passes whatever it shows, as both were at the last look.
pub struct Steady {
    clock_ms: i64,
    looked: Instant,
}

impl Steady {
    /// From now on.
    pub fn new(clock_ms: i64) -> Self {
        Self { clock_ms, looked: Instant::now() }
    }

    /// By what the clock was set since the last look, in milliseconds, or the machine slept; none when it only went on.
    pub fn set_by(&mut self, clock_ms: i64) -> Option<i64> {
        let now = Instant::now();
        let by_ms = set_by(self.clock_ms, clock_ms, now.duration_since(self.looked));
        *self = Self { clock_ms, looked: now };
        by_ms
    }
}

fn set_by(before_ms: i64, now_ms: i64, passed: Duration) -> Option<i64> {
    let passed_ms = i64::try_from(passed.as_millis()).unwrap_or(i64::MAX);
    let by_ms = now_ms.saturating_sub(before_ms).saturating_sub(passed_ms);
    (by_ms.saturating_abs() > SET_MS).then_some(by_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_goes_on_was_not_set_and_one_that_leaps_was() {
        let five = Duration::from_secs(5);
        for goes_on in [15_000, 14_000, 17_000] {
            assert_eq!(set_by(10_000, goes_on, five), None, "{goes_on}");
        }
        assert_eq!(set_by(10_000, 3_615_000, five), Some(3_600_000));
        assert_eq!(set_by(3_610_000, 15_000, five), Some(-3_600_000));
        // Bit by bit it is corrected for as long as it takes, for each look counts from the one before.
        let mut steady = Steady::new(0);
        assert_eq!(steady.set_by(1_000), None);
        assert_eq!(steady.set_by(2_500), None);
        assert!(steady.set_by(62_500).is_some_and(|by_ms| (40_000..=60_000).contains(&by_ms)));
    }
}
