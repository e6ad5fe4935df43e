//! A file's bytes: opened, decompressed within limits, and refused when the file changed meanwhile.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest;
use polder_types::limit::DECOMPRESSION_RATIO_MAX;

use crate::connection::Compression;
use crate::error::Error;
use crate::files::{At, FoundFile};
use crate::opened::{KnownObject, OpenedFile};

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
    /// Of an object what its storage changes whenever its bytes change (`ETag`).
    pub tag: Option<String>,
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
    place: Place,
    pub seen: FileSeen,
    /// SHA-256 of its edges; of an object, of its tag.
    pub digest: [u8; 32],
    /// Whether it is hashed while it is read.
    pub hash: bool,
}

/// Where it lies, and by what it is known again.
#[derive(Debug, Clone)]
enum Place {
    Disk(Stamp),
    /// Every range of it is asked for under its tag.
    Bucket(Arc<KnownObject>),
}

impl KnownFile {
    /// Looks at a file: reads 64 KiB at both ends. Of an object its listing is enough.
    pub(crate) fn look(found: &FoundFile) -> Result<Self, Error> {
        if let At::Bucket(objects, object) = &found.at {
            let seen = FileSeen {
                path: found.name.clone(),
                size_bytes: object.size_bytes,
                modified_ns: i128::from(object.modified_ms) * 1_000_000,
                tag: Some(object.tag.clone()),
                sha256: None,
            };
            let mut context = digest::Context::new(&digest::SHA256);
            context.update(b"polder object 1");
            context.update(object.tag.as_bytes());
            let known = KnownObject::new(Arc::clone(objects), object.clone(), found.path.clone());
            let place = Place::Bucket(Arc::new(known));
            return Ok(Self { path: found.path.clone(), place, seen, digest: finished(context), hash: false });
        }
        let mut file = open_regular(&found.path)?;
        let read_error = |source| Error::Read { path: found.path.clone(), source };
        let stamp = Stamp::of(&file).map_err(read_error)?;
        let digest = edges(&mut file, stamp.size).map_err(read_error)?;
        if Stamp::of(&file).map_err(read_error)? != stamp {
            return Err(Error::Changed { path: found.path.clone() });
        }
        let seen = FileSeen { path: found.name.clone(), size_bytes: stamp.size, modified_ns: stamp.modified_ns, tag: None, sha256: None };
        Ok(Self { path: found.path.clone(), place: Place::Disk(stamp), seen, digest, hash: false })
    }

    /// SHA-256 of 64 KiB at both ends. Of an object they are read for it.
    pub(crate) fn edges(&self) -> Result<[u8; 32], Error> {
        match &self.place {
            Place::Disk(_) => Ok(self.digest),
            Place::Bucket(_) => edges(&mut self.open()?, self.size()).map_err(|source| self.read_error(source)),
        }
    }

    /// Whether its ends were read when it was looked at.
    pub(crate) fn is_on_disk(&self) -> bool {
        matches!(self.place, Place::Disk(_))
    }

    /// What went wrong with an object that was read, whatever a decoder made of that.
    pub(crate) fn failure(&self) -> Option<Error> {
        match &self.place {
            Place::Disk(_) => None,
            Place::Bucket(object) => object.failure(),
        }
    }

    /// The error of a decoder, or the one of the storage that it comes from.
    pub(crate) fn explained(&self, error: Error) -> Error {
        self.failure().unwrap_or(error)
    }

    fn read_error(&self, source: io::Error) -> Error {
        self.failure().unwrap_or_else(|| Error::Read { path: self.path.clone(), source })
    }

    /// SHA-256 of all bytes of the open file, from its beginning; the caller checks that it is still the same.
    pub(crate) fn sha256(&self, file: &mut OpenedFile) -> Result<[u8; 32], Error> {
        let read_error = |source| self.read_error(source);
        file.freely();
        let mut context = digest::Context::new(&digest::SHA256);
        file.seek(SeekFrom::Start(0)).map_err(read_error)?;
        digest_into(&mut context, file).map_err(read_error)?;
        Ok(finished(context))
    }

    /// Opens the file, which must still be the one that was looked at.
    pub(crate) fn open(&self) -> Result<OpenedFile, Error> {
        let file = match &self.place {
            Place::Disk(_) => OpenedFile::Disk(open_regular(&self.path)?),
            Place::Bucket(object) => OpenedFile::of_object(Arc::clone(object)),
        };
        self.check(&file)?;
        Ok(file)
    }

    /// Fails when the open file, or the one that now bears its name, is not the one that was looked at.
    ///
    /// Whatever was read of an object was the one that was listed.
    pub(crate) fn check(&self, file: &OpenedFile) -> Result<(), Error> {
        let read_error = |source| Error::Read { path: self.path.clone(), source };
        let (Place::Disk(stamp), OpenedFile::Disk(file)) = (&self.place, file) else {
            return self.failure().map_or(Ok(()), Err);
        };
        let named = open_regular(&self.path)?;
        if Stamp::of(file).map_err(read_error)? == *stamp && Stamp::of(&named).map_err(read_error)? == *stamp {
            Ok(())
        } else {
            Err(Error::Changed { path: self.path.clone() })
        }
    }

    pub(crate) fn size(&self) -> u64 {
        self.seen.size_bytes
    }
}

/// SHA-256 of 64 KiB at both ends of a file that was just opened.
fn edges<F: Read + Seek>(file: &mut F, size: u64) -> io::Result<[u8; 32]> {
    let mut context = digest::Context::new(&digest::SHA256);
    if size <= 2 * EDGE_BYTES {
        digest_into(&mut context, file)?;
    } else {
        digest_into(&mut context, &mut file.by_ref().take(EDGE_BYTES))?;
        file.seek(SeekFrom::Start(size - EDGE_BYTES))?;
        digest_into(&mut context, file)?;
    }
    Ok(finished(context))
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

type Raw = Counted<OpenedFile>;

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
        let read_error = |source| file.read_error(source);
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
        if let Some(error) = self.file.failure() {
            return error;
        }
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
