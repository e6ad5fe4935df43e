//! Where other processes of this machine reach the one that holds the lease and serves: a socket beside the temporary files, for the account
//! that owns the store alone.

use std::fs::Permissions;
use std::io::ErrorKind;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

use super::{Backend, Directory, Kind};
use crate::error::Error;
use crate::layout::SOCKET;

/// Its name below the directory of temporary files.
const NAME: &str = "socket";

impl Backend {
    /// Listens for other processes of this machine. Only for who holds the lease: a socket that is there was left by one that is gone.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub fn listen(&self) -> Result<UnixListener, Error> {
        let directory = self.scratch()?;
        let path = short(&directory);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(Error::io("remove", SOCKET, error)),
            _ => {}
        }
        let listener = UnixListener::bind(&path).map_err(|error| Error::io("listen on", SOCKET, error))?;
        // Its directory keeps others out already.
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(|error| Error::io("keep to its owner", SOCKET, error))?;
        Ok(listener)
    }

    /// Ends what [`Backend::listen`] began: nobody finds the socket any more.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn unlisten(&self) -> Result<(), Error> {
        match std::fs::remove_file(short(&self.scratch()?)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("remove", SOCKET, error)),
            _ => Ok(()),
        }
    }

    /// A connection to the process of this machine that serves; none when none does.
    ///
    /// # Errors
    /// When there is a socket that cannot be used.
    pub fn call(&self) -> Result<Option<UnixStream>, Error> {
        let directory = match &self.0 {
            Kind::Directory(directory) => directory.clone(),
            // Looking for one makes no directory.
            Kind::Bucket(bucket) => match bucket.scratch_that_is_there()? {
                Some(directory) => directory,
                None => return Ok(None),
            },
        };
        match UnixStream::connect(short(&directory)) {
            Ok(stream) => Ok(Some(stream)),
            // A killed process leaves a socket that nobody answers.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => Ok(None),
            Err(error) => Err(Error::io("connect to", SOCKET, error)),
        }
    }
}

/// By the directory's descriptor: addresses of sockets hold 107 bytes, and a store may lie deeper.
fn short(directory: &Directory) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{NAME}", directory.tmp().as_raw_fd()))
}
