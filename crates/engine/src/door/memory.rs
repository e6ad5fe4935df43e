//! The memory that all queries of a door share. What can spill gets half, in equal parts; the other half stays for what
//! cannot, such as merging: its keys take about as much as the rows that a sort holds. The engine's own pools let the first
//! take everything, and then a sort fails for want of memory to spill, or to read back what it spilled.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};

/// The pool. Sizes are in bytes.
#[derive(Debug)]
pub(crate) struct SharedMemory {
    size: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    spillers: usize,
    by_spillers: usize,
    by_others: usize,
}

impl SharedMemory {
    pub(crate) fn new(size: usize) -> Self {
        Self { size, taken: Mutex::default() }
    }

    /// Sums stay true even when a thread panicked beside them.
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for SharedMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shared({} bytes)", self.size)
    }
}

impl MemoryPool for SharedMemory {
    fn name(&self) -> &str {
        "shared"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        if consumer.can_spill() {
            self.taken().spillers += 1;
        }
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        if consumer.can_spill() {
            let mut taken = self.taken();
            taken.spillers = taken.spillers.saturating_sub(1);
        }
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        let mut taken = self.taken();
        let sum = if reservation.consumer().can_spill() { &mut taken.by_spillers } else { &mut taken.by_others };
        *sum = sum.saturating_add(additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        let mut taken = self.taken();
        let sum = if reservation.consumer().can_spill() { &mut taken.by_spillers } else { &mut taken.by_others };
        *sum = sum.saturating_sub(shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let mut taken = self.taken();
        let spills = reservation.consumer().can_spill();
        let (room, sum) = if spills {
            let all = (self.size / 2).min(self.size.saturating_sub(taken.by_others));
            ((all / taken.spillers.max(1)).saturating_sub(reservation.size()), &mut taken.by_spillers)
        } else {
            let used = taken.by_others.saturating_add(taken.by_spillers);
            (self.size.saturating_sub(used), &mut taken.by_others)
        };
        if additional > room {
            return Err(DataFusionError::ResourcesExhausted(format!(
                "{} wants {additional} bytes more and may take {room}",
                reservation.consumer().name()
            )));
        }
        *sum = sum.saturating_add(additional);
        Ok(())
    }

    fn reserved(&self) -> usize {
        let taken = self.taken();
        taken.by_spillers.saturating_add(taken.by_others)
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.size)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_spills_shares_one_half_and_leaves_the_other() {
        let pool: Arc<dyn MemoryPool> = Arc::new(SharedMemory::new(400));
        let one = MemoryConsumer::new("one").with_can_spill(true).register(&pool);
        assert!(one.try_grow(201).is_err());
        one.try_grow(150).unwrap();
        let two = MemoryConsumer::new("two").with_can_spill(true).register(&pool);
        assert!(two.try_grow(101).is_err());
        two.try_grow(100).unwrap();
        // One is over its share now, until it spills.
        assert!(one.try_grow(1).is_err());
        one.free();
        one.try_grow(100).unwrap();
        let merge = MemoryConsumer::new("merge").register(&pool);
        assert!(merge.try_grow(201).is_err());
        merge.try_grow(200).unwrap();
        assert_eq!(pool.reserved(), 400);
        drop((one, two));
        merge.try_grow(200).unwrap();
        assert!(merge.try_grow(1).is_err());
        drop(merge);
        assert_eq!(pool.reserved(), 0);
    }
}
