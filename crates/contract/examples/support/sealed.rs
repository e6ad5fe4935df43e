//! Sealed temporary files for a measurement.

use std::io::{Read, Result, Write};

use polder_contract::{SpillFiles, SpillSink, SpillSource};

/// Temporary files in a directory, sealed as the store seals its own.
pub struct SealedFiles(pub tempfile::TempDir);

struct Sink {
    file: std::fs::File,
    sealer: polder_crypto::Sealer,
    path: std::path::PathBuf,
    out: Vec<u8>,
}

struct Source(std::path::PathBuf);

fn failed(error: polder_crypto::Error) -> std::io::Error {
    std::io::Error::other(error)
}

const KEY: [u8; 32] = [3; 32];

impl SpillFiles for SealedFiles {
    fn create(&self) -> Result<Box<dyn SpillSink>> {
        let id = polder_types::LineageId::random(&polder_types::SystemRng).map_err(std::io::Error::other)?;
        let path = self.0.path().join(id.to_string());
        let name = id.to_string();
        let params = polder_crypto::ObjectParams {
            label: polder_crypto::Label::Temporary,
            lineage: id,
            dataset: polder_types::DatasetId([0; 16]),
            key_version: 1,
            generation: 0,
            path: &name,
        };
        let (sealer, prefix) = polder_crypto::Sealer::new(&KEY, &params, &polder_types::SystemRng).map_err(failed)?;
        let mut file = std::fs::File::create_new(&path)?;
        file.write_all(&prefix)?;
        Ok(Box::new(Sink { file, sealer, path, out: Vec::new() }))
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.sealer.update(bytes, &mut self.out).map_err(failed)?;
        self.file.write_all(&self.out)?;
        self.out.clear();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        self.file.flush()
    }
}

impl SpillSink for Sink {
    fn finish(self: Box<Self>) -> Result<Box<dyn SpillSource>> {
        let Self { mut file, sealer, path, mut out } = *self;
        sealer.finish(&mut out).map_err(failed)?;
        file.write_all(&out)?;
        Ok(Box::new(Source(path)))
    }
}

impl SpillSource for Source {
    fn open(&self) -> Result<Box<dyn Read + Send>> {
        let name = self.0.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let sealed = std::fs::read(&self.0)?;
        let plain = polder_crypto::open(&KEY, polder_crypto::Label::Temporary, &name, &sealed).map_err(failed)?;
        Ok(Box::new(std::io::Cursor::new(plain)))
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
