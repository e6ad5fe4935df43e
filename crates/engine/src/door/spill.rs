//! Sealed spill: what joins and sorts put aside goes to the store's sealed temporary files.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SpillFile, SpillWriter, TempFileFactory};
use futures::{Stream, StreamExt as _};
use polder_store::{TempFile, TempSpace, TempWriter};

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
    fn create_temp_file(&self, _description: &str) -> Result<Arc<dyn SpillFile>> {
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
