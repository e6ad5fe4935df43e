//! A file's bytes: opened, decompressed within limits, and refused when the file changed meanwhile.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use polder_types::limit::DECOMPRESSION_RATIO_MAX;

use crate::connection::Compression;
use crate::error::Error;
use crate::files::FoundFile;

/// Output up to here is never called a bomb.
pub(crate) const BOMB_FREE_BYTES: u64 = 64 << 20;
/// Largest zstd window: more memory than this is not given to a decoder.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;
/// How much of both ends of a file goes into its quick identity.
const EDGE_BYTES: u64 = 64 << 10;

/// A file that was found, as it stood when the source was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSeen {
    /// Its name under the connection's path.
    pub path: String,
    pub size_bytes: u64,
    /// Last change, in nanoseconds since the epoch.
    pub modified_ns: i128,
    /// SHA-256 of all its bytes: known once it was read to its end, when [`ReadOptions`](crate::ReadOptions) ask for it.
    pub sha256: Option<[u8; 32]>,
}

/// What tells a file apart from a later one of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    size: u64,
    modified_ns: i128,
    device: u64,
    inode: u64,
}

impl Stamp {
    fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self {
            size: metadata.len(),
            modified_ns: i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec()),
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }
}

/// A file with its stamp at the time when the source was opened.
#[derive(Debug, Clone)]
pub(crate) struct KnownFile {
    pub path: PathBuf,
    stamp: Stamp,
    pub seen: FileSeen,
    /// SHA-256 of its edges.
    pub digest: [u8; 32],
    /// Whether it is hashed while it is read.
    pub hash: bool,
}

impl KnownFile {
    /// Looks at a file: reads 64 KiB at both ends.
    pub(crate) fn look(found: &FoundFile) -> Result<Self, Error> {
        let mut file = open_regular(&found.path)?;
        let read_error = |source| Error::Read { path: found.path.clone(), source };
        let stamp = Stamp::of(&file).map_err(read_error)?;
        let mut context = digest::Context::new(&digest::SHA256);
        if stamp.size <= 2 * EDGE_BYTES {
            digest_into(&mut context, &mut file).map_err(read_error)?;
        } else {
            digest_into(&mut context, &mut (&mut file).take(EDGE_BYTES)).map_err(read_error)?;
            file.seek(SeekFrom::Start(stamp.size - EDGE_BYTES)).map_err(read_error)?;
            digest_into(&mut context, &mut file).map_err(read_error)?;
        }
        if Stamp::of(&file).map_err(read_error)? != stamp {
            return Err(Error::Changed { path: found.path.clone() });
        }
        let seen = FileSeen { path: found.name.clone(), size_bytes: stamp.size, modified_ns: stamp.modified_ns, sha256: None };
        Ok(Self { path: found.path.clone(), stamp, seen, digest: finished(context), hash: false })
    }

    /// SHA-256 of all bytes of the open file, from its beginning; the caller checks that it is still the same.
    pub(crate) fn sha256(&self, file: &mut File) -> Result<[u8; 32], Error> {
        let read_error = |source| Error::Read { path: self.path.clone(), source };
        let mut context = digest::Context::new(&digest::SHA256);
        file.seek(SeekFrom::Start(0)).map_err(read_error)?;
        digest_into(&mut context, file).map_err(read_error)?;
        Ok(finished(context))
    }

    /// Opens the file, which must still be the one that was looked at.
    pub(crate) fn open(&self) -> Result<File, Error> {
        let file = open_regular(&self.path)?;
        self.check(&file)?;
        Ok(file)
    }

    /// Fails when the open file, or the one that now bears its name, is not the one that was looked at.
    pub(crate) fn check(&self, file: &File) -> Result<(), Error> {
        let read_error = |source| Error::Read { path: self.path.clone(), source };
        let named = open_regular(&self.path)?;
        if Stamp::of(file).map_err(read_error)? == self.stamp && Stamp::of(&named).map_err(read_error)? == self.stamp {
            Ok(())
        } else {
            Err(Error::Changed { path: self.path.clone() })
        }
    }

    pub(crate) fn size(&self) -> u64 {
        self.stamp.size
    }
}

fn finished(context: digest::Context) -> [u8; 32] {
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

fn digest_into(context: &mut digest::Context, from: &mut dyn Read) -> io::Result<()> {
    let mut buffer = vec![0; 256 << 10];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => context.update(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn open_regular(path: &Path) -> Result<File, Error> {
    let open_error = |source| Error::Open { path: path.to_path_buf(), source };
    // Asked before opening: opening a named pipe would wait for its writer.
    if !std::fs::metadata(path).map_err(open_error)?.is_file() {
        return Err(Error::NotAFile { path: path.to_path_buf() });
    }
    File::open(path).map_err(open_error)
}

/// Counts what passes, and hashes it where that is asked for.
struct Counted<R> {
    inner: R,
    bytes: u64,
    digest: Option<digest::Context>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes = self.bytes.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        if let Some(digest) = &mut self.digest {
            digest.update(buffer.get(..count).unwrap_or_default());
        }
        Ok(count)
    }
}

type Raw = Counted<File>;

enum Decoder {
    Plain(Raw),
    Gzip(Box<flate2::bufread::MultiGzDecoder<BufReader<Raw>>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, BufReader<Raw>>>),
}

/// A file's plain bytes.
pub(crate) struct Input {
    file: KnownFile,
    decoder: Decoder,
    out: u64,
}

impl Input {
    /// Opens a file and its decompressor.
    pub(crate) fn open(file: &KnownFile, compression: Compression) -> Result<Self, Error> {
        let mut raw = file.open()?;
        let read_error = |source| Error::Read { path: file.path.clone(), source };
        let mut magic = [0u8; 4];
        let have = read_full(&mut raw, &mut magic).map_err(read_error)?;
        raw.seek(SeekFrom::Start(0)).map_err(read_error)?;
        let raw = Counted { inner: raw, bytes: 0, digest: file.hash.then(|| digest::Context::new(&digest::SHA256)) };
        // The name counts too: a .gz cut down to nothing must not pass for an empty plain file.
        let extension = file.path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let compression = match (compression, magic.get(..have), extension) {
            (Compression::Auto, Some([0x1f, 0x8b, ..]), _) | (Compression::Auto, _, "gz") => Compression::Gzip,
            (Compression::Auto, Some([0x28, 0xb5, 0x2f, 0xfd]), _) | (Compression::Auto, _, "zst") => Compression::Zstd,
            (Compression::Auto, _, _) => Compression::None,
            (declared, _, _) => declared,
        };
        let decoder = match compression {
            Compression::Gzip => Decoder::Gzip(Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::with_capacity(256 << 10, raw)))),
            Compression::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(BufReader::with_capacity(256 << 10, raw)).map_err(read_error)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(read_error)?;
                Decoder::Zstd(Box::new(decoder))
            }
            Compression::Auto | Compression::None => Decoder::Plain(raw),
        };
        Ok(Self { file: file.clone(), decoder, out: 0 })
    }

    /// Fills `buffer` as far as the file goes; fewer bytes than asked mean the end, and the file was the same to its end.
    pub(crate) fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..)
            && !rest.is_empty()
        {
            let count = match self.read_some(rest) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.explain(error)),
            };
            if count == 0 {
                self.finish()?;
                break;
            }
            filled += count;
            self.out = self.out.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
            self.check_ratio()?;
        }
        Ok(filled)
    }

    fn read_some(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.decoder {
            Decoder::Plain(raw) => raw.read(buffer),
            Decoder::Gzip(decoder) => decoder.read(buffer),
            Decoder::Zstd(decoder) => decoder.read(buffer),
        }
    }

    fn raw(&self) -> &Raw {
        match &self.decoder {
            Decoder::Plain(raw) => raw,
            Decoder::Gzip(decoder) => decoder.get_ref().get_ref(),
            Decoder::Zstd(decoder) => decoder.get_ref().get_ref(),
        }
    }

    /// SHA-256 of the file as it lies on the disk, when it was asked for; of all of it once the end was reached.
    pub(crate) fn sha256(&self) -> Option<[u8; 32]> {
        self.raw().digest.clone().map(finished)
    }

    fn check_ratio(&self) -> Result<(), Error> {
        let limit = self.raw().bytes.saturating_mul(DECOMPRESSION_RATIO_MAX);
        if self.out > BOMB_FREE_BYTES && self.out > limit {
            return Err(Error::Bomb { path: self.file.path.clone(), ratio_max: DECOMPRESSION_RATIO_MAX });
        }
        Ok(())
    }

    /// At the end: every byte of the file was read, and it is still the same file.
    fn finish(&self) -> Result<(), Error> {
        let raw = self.raw();
        self.file.check(&raw.inner)?;
        if raw.bytes == self.file.size() { Ok(()) } else { Err(Error::Changed { path: self.file.path.clone() }) }
    }

    fn explain(&self, source: io::Error) -> Error {
        let path = self.file.path.clone();
        let format = match &self.decoder {
            Decoder::Plain(_) => return Error::Read { path, source },
            Decoder::Gzip(_) => "gzip",
            Decoder::Zstd(_) => "zstd",
        };
        if source.raw_os_error().is_some() {
            Error::Read { path, source }
        } else if source.kind() == io::ErrorKind::UnexpectedEof {
            Error::Truncated { path, format }
        } else {
            Error::Damaged { path, format, source }
        }
    }
}

fn read_full(from: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..)
        && !rest.is_empty()
    {
        match from.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
