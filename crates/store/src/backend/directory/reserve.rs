//! Room that is kept back, so that a refusal can still be recorded when the disk is full.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{FallocateFlags, Mode, OFlags};
use rustix::io::Errno;

use super::Directory;
use crate::error::Error;
use crate::fault::Operation;
use crate::layout::RESERVE;

impl Directory {
    /// Bytes that are in reserve now.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn reserve_bytes(&self) -> Result<u64, Error> {
        match self.open_plain(RESERVE, OFlags::RDONLY) {
            Ok((_, stat)) => Ok(stat.len),
            Err(Error::NotFound { .. }) => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Gives `bytes` of the reserve back to the disk; returns how many it really were (fewer when fewer are left).
    ///
    /// # Errors
    /// When the file cannot be shrunk.
    pub(crate) fn release_reserve(&self, bytes: u64) -> Result<u64, Error> {
        let _only_one = self.0.reserve.lock();
        self.step(Operation::Reserve, RESERVE)?;
        let (file, stat) = match self.open_plain(RESERVE, OFlags::RDWR) {
            Err(Error::NotFound { .. }) => return Ok(0),
            opened => opened?,
        };
        let released = bytes.min(stat.len);
        let failed = |source| Error::io("release a part of", RESERVE, source);
        file.set_len(stat.len - released).map_err(failed)?;
        // Some file systems give blocks back only when the change is on the disk.
        file.sync_all().map_err(failed)?;
        Ok(released)
    }

    /// Makes the reserve, or makes it whole again.
    ///
    /// # Errors
    /// When there is no room for it; what could be had is kept.
    pub(crate) fn restore_reserve(&self) -> Result<(), Error> {
        let _only_one = self.0.reserve.lock();
        self.step(Operation::Reserve, RESERVE)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let failed = |source| Error::io("fill", RESERVE, source);
        let opened = rustix::fs::openat(self.root(), RESERVE, flags, Mode::RUSR | Mode::WUSR);
        let mut file = File::from(opened.map_err(|errno| failed(errno.into()))?);
        let wanted = self.0.options.reserve_bytes;
        match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, wanted.max(1)) {
            Ok(()) => {}
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => fill_with_zeros(&mut file, wanted).map_err(failed)?,
            Err(errno) => return Err(failed(errno.into())),
        }
        file.set_len(wanted).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        rustix::fs::fsync(self.root()).map_err(|errno| failed(errno.into()))?;
        // A file system that kept a promise only: blocks that hold zeros are the next best.
        if file.metadata().map_err(failed)?.blocks().saturating_mul(512) < wanted {
            fill_with_zeros(&mut file, wanted).map_err(failed)?;
            file.sync_all().map_err(failed)?;
        }
        Ok(())
    }
}

fn fill_with_zeros(file: &mut File, wanted: u64) -> std::io::Result<()> {
    use std::io::Seek;
    file.seek(std::io::SeekFrom::Start(0))?;
    let zeros = vec![0u8; 1 << 20];
    let mut left = wanted;
    while left > 0 {
        let now = usize::try_from(left).unwrap_or(usize::MAX).min(zeros.len());
        file.write_all(zeros.get(..now).unwrap_or_default())?;
        left -= now as u64;
    }
    Ok(())
}
