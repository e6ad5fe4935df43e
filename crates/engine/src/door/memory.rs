//! The memory that all queries of a door share. What can spill gets a part of it, in equal shares, and what merges sorted runs
//! gets another, in equal shares too: a merge takes as many runs at a time as it has memory for, so the first of several would
//! take everything. The engine's own pools let it, and then the others fail for want of memory to read back what they spilled.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};
use tokio::sync::Notify;

/// What a consumer does with its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// It spills when it gets no more.
    Spill,
    /// It merges sorted runs, and merges fewer at a time when it gets no more.
    Merge,
    /// It takes what it needs, or fails.
    Hold,
}

impl Use {
    /// A consumer's own word is not enough: a join by sorting spills without saying so, an exchange between threads may not
    /// spill (see [`super::spill`]), and what merges says nothing about it. The names are the engine's.
    fn of(consumer: &MemoryConsumer) -> Self {
        let name = consumer.name();
        if name.starts_with("RepartitionExec[") {
            Self::Hold
        } else if name.starts_with("ExternalSorterMerge[") {
            Self::Merge
        } else if consumer.can_spill() || name.starts_with("SMJStream[") {
            Self::Spill
        } else {
            Self::Hold
        }
    }
}

/// The pool. Sizes are in bytes.
#[derive(Debug)]
pub(crate) struct SharedMemory {
    size: usize,
    taken: Mutex<Taken>,
    /// Told when the last consumer has gone.
    gone: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    consumers: usize,
    spilling: usize,
    merging: usize,
    all: usize,
    /// By the ids of consumers: one may have several reservations.
    by_consumer: HashMap<usize, usize>,
}

impl Taken {
    fn add(&mut self, consumer: &MemoryConsumer, bytes: usize) {
        self.all = self.all.saturating_add(bytes);
        let sum = self.by_consumer.entry(consumer.id()).or_default();
        *sum = sum.saturating_add(bytes);
    }

    fn give_back(&mut self, consumer: &MemoryConsumer, bytes: usize) {
        self.all = self.all.saturating_sub(bytes);
        if let Some(sum) = self.by_consumer.get_mut(&consumer.id()) {
            *sum = sum.saturating_sub(bytes);
        }
    }

    fn count(&mut self, consumer: &MemoryConsumer) -> Option<&mut usize> {
        match Use::of(consumer) {
            Use::Spill => Some(&mut self.spilling),
            Use::Merge => Some(&mut self.merging),
            Use::Hold => None,
        }
    }
}

impl SharedMemory {
    pub(crate) fn new(size: usize) -> Self {
        Self { size, taken: Mutex::default(), gone: Notify::new() }
    }

    /// Waits until nobody holds memory, or will ask for any.
    pub(crate) async fn idle(&self) {
        loop {
            // Made before looking, so that it hears of what happens between the two.
            let gone = self.gone.notified();
            if self.taken().consumers == 0 {
                return;
            }
            gone.await;
        }
    }

    /// Sums stay true even when a thread panicked beside them.
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All sorts together, before they spill: three eighths.
    fn for_spilling(&self) -> usize {
        self.size / 8 * 3
    }

    /// All merges together: the half. The keys by which a sort merges take more than the rows that it holds.
    fn for_merging(&self) -> usize {
        self.size / 2
    }

    /// What a consumer may take now.
    fn room(&self, taken: &Taken, consumer: &MemoryConsumer) -> usize {
        let free = self.size.saturating_sub(taken.all);
        // A sort is both, one after the other, and what it holds it must be able to merge: so both are divided by the same.
        let sharing = taken.spilling.max(taken.merging).max(1);
        let share = match Use::of(consumer) {
            Use::Spill => self.for_spilling() / sharing,
            Use::Merge => self.for_merging() / sharing,
            Use::Hold => return free,
        };
        let held = taken.by_consumer.get(&consumer.id()).copied().unwrap_or_default();
        share.saturating_sub(held).min(free)
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
        let mut taken = self.taken();
        taken.consumers = taken.consumers.saturating_add(1);
        if let Some(count) = taken.count(consumer) {
            *count = count.saturating_add(1);
        }
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        let mut taken = self.taken();
        if let Some(count) = taken.count(consumer) {
            *count = count.saturating_sub(1);
        }
        taken.by_consumer.remove(&consumer.id());
        taken.consumers = taken.consumers.saturating_sub(1);
        if taken.consumers == 0 {
            self.gone.notify_waiters();
        }
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.taken().add(reservation.consumer(), additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.taken().give_back(reservation.consumer(), shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let mut taken = self.taken();
        let room = self.room(&taken, reservation.consumer());
        if additional > room {
            return Err(DataFusionError::ResourcesExhausted(format!(
                "{} wants {additional} bytes more and may take {room}",
                reservation.consumer().name()
            )));
        }
        taken.add(reservation.consumer(), additional);
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.taken().all
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.size)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use datafusion::datasource::MemTable;
    use datafusion::execution::runtime_env::RuntimeEnvBuilder;
    use datafusion::prelude::{SessionConfig, SessionContext};

    use super::*;

    #[test]
    fn what_spills_shares_its_part_and_so_does_what_merges() {
        let pool: Arc<dyn MemoryPool> = Arc::new(SharedMemory::new(800));
        let one = MemoryConsumer::new("one").with_can_spill(true).register(&pool);
        assert!(one.try_grow(301).is_err());
        one.try_grow(200).unwrap();
        let two = MemoryConsumer::new("two").with_can_spill(true).register(&pool);
        assert!(two.try_grow(151).is_err());
        two.try_grow(150).unwrap();
        // One is over its share now, until it spills, and a second reservation of it makes no difference.
        assert!(one.try_grow(1).is_err());
        assert!(one.new_empty().try_grow(1).is_err());
        one.free();
        one.try_grow(150).unwrap();
        let merges = ["ExternalSorterMerge[0]", "ExternalSorterMerge[1]"].map(|name| MemoryConsumer::new(name).register(&pool));
        assert!(merges[0].try_grow(201).is_err());
        merges[0].try_grow(200).unwrap();
        assert!(merges[0].new_empty().try_grow(1).is_err());
        merges[1].try_grow(200).unwrap();
        let hold = MemoryConsumer::new("hold").register(&pool);
        assert!(hold.try_grow(101).is_err());
        hold.try_grow(100).unwrap();
        assert_eq!(pool.reserved(), 800);
        // A sort that has spilled everything still merges: its share of what others hold to merge later stays as small.
        drop(two);
        assert!(one.try_grow(1).is_err());
        let two = MemoryConsumer::new("two").with_can_spill(true).register(&pool);
        two.try_grow(150).unwrap();
        // Nothing is free, whatever the share.
        two.free();
        hold.try_grow(150).unwrap();
        assert!(two.try_grow(1).is_err());
        drop((one, two, merges));
        hold.try_grow(550).unwrap();
        assert!(hold.try_grow(1).is_err());
        drop(hold);
        assert_eq!(pool.reserved(), 0);
    }

    #[test]
    fn the_engine_s_own_consumers_are_known_by_name() {
        let of = |name: &str, spills: bool| Use::of(&MemoryConsumer::new(name).with_can_spill(spills));
        assert_eq!(of("RepartitionExec[3]", true), Use::Hold);
        assert_eq!(of("ExternalSorter[0]", true), Use::Spill);
        assert_eq!(of("ExternalSorterMerge[0]", false), Use::Merge);
        assert_eq!(of("SMJStream[1]", false), Use::Spill);
        assert_eq!(of("HashJoinInput", false), Use::Hold);
    }

    /// Keeps the names of consumers.
    #[derive(Debug, Default)]
    struct Names(Mutex<BTreeSet<String>>);

    impl fmt::Display for Names {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("names")
        }
    }

    impl MemoryPool for Names {
        fn name(&self) -> &str {
            "names"
        }

        fn register(&self, consumer: &MemoryConsumer) {
            let name = consumer.name().split('[').next().unwrap_or_default();
            self.0.lock().unwrap().insert(name.to_owned());
        }

        fn grow(&self, _reservation: &MemoryReservation, _additional: usize) {}

        fn shrink(&self, _reservation: &MemoryReservation, _shrink: usize) {}

        fn try_grow(&self, _reservation: &MemoryReservation, _additional: usize) -> Result<()> {
            Ok(())
        }

        fn reserved(&self) -> usize {
            0
        }
    }

    /// With another version of the engine they may have others.
    #[tokio::test]
    async fn the_engine_gives_its_consumers_these_names() {
        let names = Arc::new(Names::default());
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::clone(&names) as Arc<dyn MemoryPool>).build_arc().unwrap();
        let mut config = SessionConfig::new().with_target_partitions(2);
        config.options_mut().optimizer.prefer_hash_join = false;
        let session = SessionContext::new_with_config_rt(config, runtime);
        let values: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100));
        let batch = RecordBatch::try_from_iter([("k", values)]).unwrap();
        for name in ["a", "b"] {
            let table = MemTable::try_new(batch.schema(), vec![vec![batch.clone()], vec![batch.clone()]]).unwrap();
            session.register_table(name, Arc::new(table)).unwrap();
        }
        session.sql("select a.k from a join b on a.k = b.k order by a.k").await.unwrap().collect().await.unwrap();
        let seen = names.0.lock().unwrap();
        for name in ["RepartitionExec", "ExternalSorter", "ExternalSorterMerge", "SMJStream"] {
            assert!(seen.contains(name), "{name} is not among {seen:?}");
        }
    }
}
