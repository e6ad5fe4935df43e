//! The socket of the process that serves.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;

use super::fixture::Fixture;
use crate::{Backend, FileKind};

#[tokio::test]
async fn a_command_reaches_the_process_that_serves_and_nobody_else_may() {
    let fixture = Fixture::new().await;
    let backend = fixture.store.backend();
    assert!(backend.call().unwrap().is_none(), "nobody serves");
    let listener = backend.listen().unwrap();
    let path = fixture.store_dir().join("tmp/socket");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let mut caller = backend.call().unwrap().unwrap();
    let (mut server, _) = listener.accept().unwrap();
    caller.write_all(b"ping").unwrap();
    let mut asked = [0; 4];
    server.read_exact(&mut asked).unwrap();
    assert_eq!(&asked, b"ping");
    let kinds: Vec<FileKind> =
        backend.every_file().unwrap().into_iter().filter(|file| file.path == "tmp/socket").map(|file| file.kind).collect();
    assert_eq!(kinds, [FileKind::Socket]);
    drop(listener);
    assert!(backend.call().unwrap().is_none(), "a socket that was left behind reaches nobody");
    // The next one takes its place.
    let _listener = backend.listen().unwrap();
    assert!(backend.call().unwrap().is_some());
    backend.unlisten().unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn a_store_that_lies_deep_is_served_too() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("d".repeat(100)).join("e".repeat(100));
    std::fs::create_dir_all(&deep).unwrap();
    let backend = Backend::create(&deep.join("store")).unwrap();
    assert!(UnixListener::bind(deep.join("store/tmp/other")).is_err(), "its path is too long for an address");
    let _listener = backend.listen().unwrap();
    assert!(backend.call().unwrap().is_some());
}

#[tokio::test]
async fn a_socket_elsewhere_is_none_of_the_stores() {
    let fixture = Fixture::new().await;
    let _other = UnixListener::bind(fixture.store_dir().join("tmp/other")).unwrap();
    let files = fixture.store.backend().every_file().unwrap();
    assert!(files.iter().any(|file| file.path == "tmp/other" && file.kind == FileKind::Unknown));
}
