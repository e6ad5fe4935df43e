//! Sealed spill: what joins and sorts put aside goes to the store's sealed temporary files.
//!
//! One operator may not spill: an exchange between threads. In DataFusion 55 its spilled batches lie in a pool of files of which
//! the reader waits for the oldest, while what it needs may lie in a newer one: when two threads spill at a time, reader and
//! writers can wait for each other for ever (apache/datafusion#24883, mended after 55.2). So a pool file is refused as if there
//! were no room, and the query begins again without exchanges.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SpillFile, SpillWriter, TempFileFactory};
use futures::{Stream, StreamExt as _};
use polder_store::{TempFile, TempSpace, TempWriter};

/// What the engine calls the files of an exchange.
const EXCHANGE: &str = "SpillPool";

/// Makes the engine's temporary files. Their quota is the temporary space's: the engine does not count files of a factory.
#[derive(Debug, Clone)]
pub(crate) struct SealedSpill {
    space: TempSpace,
    spilled_bytes: Arc<AtomicU64>,
}

impl SealedSpill {
    pub(crate) fn new(space: TempSpace) -> Self {
        Self { space, spilled_bytes: Arc::default() }
    }

    /// Plaintext bytes spilled since the start.
    pub(crate) fn spilled_bytes(&self) -> u64 {
        self.spilled_bytes.load(Ordering::Relaxed)
    }
}

impl TempFileFactory for SealedSpill {
    fn create_temp_file(&self, description: &str) -> Result<Arc<dyn SpillFile>> {
        if description == EXCHANGE {
            return Err(DataFusionError::ResourcesExhausted("an exchange between threads may not spill".to_owned()));
        }
        let file = self.space.create_file().map_err(external)?;
        Ok(Arc::new(Spilled { file, spilled_bytes: Arc::clone(&self.spilled_bytes) }))
    }
}

struct Spilled {
    file: TempFile,
    spilled_bytes: Arc<AtomicU64>,
}

impl SpillFile for Spilled {
    fn size(&self) -> Option<u64> {
        Some(self.file.len())
    }

    fn read_stream(&self) -> Result<Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>> {
        Ok(Box::pin(self.file.stream().map(|chunk| chunk.map_err(external))))
    }

    fn open_writer(&self) -> Result<Box<dyn SpillWriter>> {
        let writer = self.file.writer().map_err(external)?;
        Ok(Box::new(Writer { writer, spilled_bytes: Arc::clone(&self.spilled_bytes) }))
    }
}

struct Writer {
    writer: TempWriter,
    spilled_bytes: Arc<AtomicU64>,
}

impl io::Write for Writer {
    fn write(&mut self, plaintext: &[u8]) -> io::Result<usize> {
        let taken = self.writer.write(plaintext)?;
        self.spilled_bytes.fetch_add(taken as u64, Ordering::Relaxed);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl SpillWriter for Writer {
    fn finish(&mut self) -> Result<()> {
        self.writer.close().map_err(external)
    }
}

fn external(error: polder_store::Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use datafusion::datasource::memory::MemorySourceConfig;
    use datafusion::physical_expr::expressions::lit;
    use datafusion::physical_plan::repartition::RepartitionExec;
    use datafusion::physical_plan::{ExecutionPlan as _, Partitioning};
    use futures::future::{Either, select};

    use super::*;
    use crate::tests::bed::BedBuilder;

    /// Two threads fill one of two outputs that nobody reads.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_exchange_that_has_no_memory_fails_and_does_not_spill() {
        let values: ArrayRef = Arc::new(Int64Array::from_iter_values(0..8_192));
        let batch = RecordBatch::try_from_iter([("k", values)]).unwrap();
        let part = vec![batch.clone(); 1_000];
        let input = MemorySourceConfig::try_new_exec(&[part.clone(), part], batch.schema(), None).unwrap();
        let exchange = RepartitionExec::try_new(input, Partitioning::Hash(vec![lit(7)], 2)).unwrap();
        // More than 100 MiB go through it.
        let bed = BedBuilder::new().memory(64 << 20, 1 << 30).threads(2).build();
        let context = bed.door.session.task_ctx();
        let mut outputs = [0, 1].map(|output| exchange.execute(output, Arc::clone(&context)).unwrap());
        let [one, two] = &mut outputs;
        // The first to give rows is the one that gets them all.
        let (full, empty) = match select(one.next(), two.next()).await {
            Either::Left(_) => (0, 1),
            Either::Right(_) => (1, 0),
        };
        let error = tokio::time::timeout(Duration::from_secs(60), async {
            // The other ends when both threads have come to the end of their input.
            assert!(outputs[empty].next().await.is_none());
            while let Some(batch) = outputs[full].next().await {
                if let Err(error) = batch {
                    return error;
                }
            }
            panic!("there was memory for everything");
        });
        let error = error.await.expect("an exchange waits for ever");
        assert!(crate::error::is_exhausted(&error), "{error}");
        assert_eq!(bed.door.spilled_bytes(), 0);
    }
}
