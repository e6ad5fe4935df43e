//! What was asked of a directory is counted where it is asked.

use std::io::{Read, Write};

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

use super::fixture::{Fixture, bytes, rng};
use crate::{Asked, TempSpace};

#[tokio::test]
async fn bytes_that_were_written_are_those_that_lie_there() {
    let fixture = Fixture::new().await;
    let backend = fixture.store.backend();
    let on_disk = |path: &object_store::path::Path| std::fs::metadata(fixture.file(path)).unwrap().len();
    let before = backend.asked();
    let paths = [0usize, 70_000, 9 << 20].map(|len| (fixture.path(&format!("of-{len}")), len));
    for (path, len) in &paths {
        fixture.store.create(path, Bytes::from(bytes(*len))).await.unwrap();
    }
    let written: u64 = paths.iter().map(|(path, _)| on_disk(path)).sum();
    assert_eq!(backend.asked().since(before), Asked { puts: 3, bytes_written: written, ..Asked::default() });
    assert_eq!(backend.stored_below("tables").unwrap(), (3, written));
    assert_eq!(backend.stored_below(&format!("tables/{}", fixture.table)).unwrap(), (3, written));
    assert_eq!(backend.stored_below("tables/none").unwrap(), (0, 0));

    // What is refused became no object.
    let before = backend.asked();
    assert!(fixture.store.create(&paths[1].0, Bytes::from_static(b"again")).await.is_err());
    assert_eq!(backend.asked().since(before).bytes_written, 0);

    // What is replaced is opened before.
    let before = backend.asked();
    fixture.store.put(&paths[1].0, PutPayload::from(bytes(1_000))).await.unwrap();
    let asked = backend.asked().since(before);
    assert_eq!((asked.gets, asked.puts, asked.bytes_written), (1, 1, on_disk(&paths[1].0)));

    let before = backend.asked();
    assert_eq!(fixture.store.read(&paths[1].0).await.unwrap().len(), 1_000);
    assert_eq!(backend.asked().since(before), Asked { gets: 1, bytes_read: on_disk(&paths[1].0), ..Asked::default() });

    let before = backend.asked();
    fixture.store.head(&paths[2].0).await.unwrap();
    let listed: Vec<_> = fixture.store.list(None).try_collect().await.unwrap();
    assert!(listed.len() >= 3);
    fixture.store.delete(&paths[2].0).await.unwrap();
    let asked = backend.asked().since(before);
    assert_eq!((asked.heads, asked.deletes, asked.gets, asked.puts, asked.bytes_written), (1, 1, 0, 0, 0));
    assert!(asked.lists >= 1 && asked.requests() == asked.lists + 2, "{asked:?}");
}

#[tokio::test]
async fn temporary_files_are_counted_apart() {
    let fixture = Fixture::new().await;
    let backend = fixture.store.backend();
    let space = TempSpace::new(backend.clone(), rng(), 64 << 20).unwrap();
    let before = backend.asked();
    let mut writer = space.create().unwrap();
    writer.write_all(&bytes(900_000)).unwrap();
    let file = writer.finish().unwrap();
    let mut back = Vec::new();
    file.reader().read_to_end(&mut back).unwrap();
    assert_eq!(back.len(), 900_000);
    assert_eq!(backend.asked().since(before), Asked::default(), "they lie on this machine, and nobody pays for them");
    let counters = backend.counters();
    assert_eq!(counters.temporary_bytes_written, space.used_bytes());
    assert_eq!(counters.temporary_bytes_read, space.used_bytes());
}
