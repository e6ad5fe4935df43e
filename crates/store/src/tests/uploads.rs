//! Uploads in parts: bounded memory, any order of awaiting, nothing visible before the end.

use object_store::{ObjectStoreExt, PutPayload, WriteMultipart};
use polder_types::ErrorKind;

use super::fixture::{Fixture, bytes};
use crate::{FileKind, kind_of};

#[tokio::test]
async fn an_upload_of_any_size_holds_a_part_and_a_batch() {
    let fixture = Fixture::new().await;
    let path = fixture.path("big");
    let part = bytes(1 << 20);
    let mut upload = fixture.store.put_multipart(&path).await.unwrap();
    for _ in 0..48 {
        upload.put_part(PutPayload::from(part.clone())).await.unwrap();
    }
    assert!(fixture.store.head(&path).await.is_err(), "visible before it is whole");
    upload.complete().await.unwrap();
    drop(upload);
    let counters = fixture.store.backend().counters();
    // The part, the buffer of a batch and two segments, and the segment that the sealer holds back.
    let most = 2 * (1 << 20) + 3 * 65_536;
    assert!((1 << 20..=most).contains(&counters.upload_bytes_max), "{}", counters.upload_bytes_max);
    assert_eq!(counters.upload_bytes, 0);
    let whole = fixture.store.read(&path).await.unwrap();
    assert_eq!(whole.len(), 48 << 20);
    assert!(whole.chunks(1 << 20).all(|chunk| chunk == part));
}

#[tokio::test]
async fn parts_are_sealed_in_their_order_whichever_is_awaited_first() {
    let fixture = Fixture::new().await;
    let path = fixture.path("backwards");
    let mut upload = fixture.store.put_multipart(&path).await.unwrap();
    let mut parts: Vec<_> = (0..20u8).map(|at| upload.put_part(PutPayload::from(vec![at; 30_000]))).collect();
    while let Some(part) = parts.pop() {
        part.await.unwrap();
    }
    upload.complete().await.unwrap();
    let want: Vec<u8> = (0..20u8).flat_map(|at| vec![at; 30_000]).collect();
    assert!(fixture.store.read(&path).await.unwrap() == want);

    let path = fixture.path("parallel");
    let mut upload = WriteMultipart::new_with_chunk_size(fixture.store.put_multipart(&path).await.unwrap(), 50_000);
    want.chunks(7_777).for_each(|chunk| upload.write(chunk));
    upload.finish().await.unwrap();
    assert!(fixture.store.read(&path).await.unwrap() == want);
}

#[tokio::test]
async fn an_upload_that_is_not_completed_leaves_nothing() {
    let fixture = Fixture::new().await;
    let temporaries = || {
        let files = fixture.store.backend().every_file().unwrap();
        files.into_iter().filter(|file| file.kind == FileKind::Temporary).count()
    };
    let path = fixture.path("x");
    let mut upload = fixture.store.put_multipart(&path).await.unwrap();
    upload.put_part(PutPayload::from(bytes(100))).await.unwrap();
    assert_eq!(temporaries(), 1);
    upload.abort().await.unwrap();
    assert_eq!(temporaries(), 0);
    assert!(upload.complete().await.is_err());

    let mut upload = fixture.store.put_multipart(&path).await.unwrap();
    let part = upload.put_part(PutPayload::from(bytes(100)));
    let early = upload.complete().await.unwrap_err();
    assert_eq!(kind_of(&early), ErrorKind::Unavailable, "{early}");
    assert!(part.await.is_err());
    drop(upload);
    assert_eq!(temporaries(), 0);
    assert_eq!(fixture.store.backend().counters().upload_bytes, 0);
    assert!(fixture.store.head(&path).await.is_err());
}

#[tokio::test]
async fn an_upload_replaces_under_the_next_generation() {
    let fixture = Fixture::new().await;
    let path = fixture.path("x");
    for generation in 1..4 {
        let mut upload = fixture.store.put_multipart(&path).await.unwrap();
        upload.put_part(PutPayload::from(bytes(generation))).await.unwrap();
        upload.complete().await.unwrap();
        assert_eq!(fixture.store.inspect(&path).await.unwrap().generation, generation as u64);
    }
}
