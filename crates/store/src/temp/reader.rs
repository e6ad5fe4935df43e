use std::io::{self, Read};

use bytes::{Buf, Bytes};

use super::TempFile;

/// Reads a [`TempFile`] from its beginning. Holds 256 KiB.
#[derive(Debug)]
pub struct TempReader {
    file: TempFile,
    opened: Bytes,
    next: usize,
}

impl TempReader {
    pub(super) fn new(file: TempFile) -> Self {
        Self { file, opened: Bytes::new(), next: 0 }
    }
}

impl Read for TempReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.opened.is_empty() && !buffer.is_empty() {
            match self.file.next_parts(self.next)? {
                Some((opened, next)) => (self.opened, self.next) = (opened, next),
                None => return Ok(0),
            }
        }
        let taken = buffer.len().min(self.opened.len());
        let (filled, _) = buffer.split_at_mut(taken);
        self.opened.copy_to_slice(filled);
        Ok(taken)
    }
}
