//! What was asked of a bucket is what it was asked, request for request.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt};

use super::fixture::{Fixture, options};
use super::moto;
use super::proxy::{Fault, Proxy};
use crate::Asked;
use crate::tests::fixture::bytes;

/// What a proxy saw, by kind.
fn seen(proxy: &Proxy) -> Asked {
    let mut asked = Asked::default();
    for (line, _) in proxy.seen() {
        let (method, target) = line.split_once(' ').unwrap();
        *match method {
            "GET" if target.contains("list-type=2") || target.contains("?uploads") => &mut asked.lists,
            "GET" => &mut asked.gets,
            "HEAD" => &mut asked.heads,
            "DELETE" => &mut asked.deletes,
            "PUT" | "POST" => &mut asked.puts,
            other => panic!("{other}"),
        } += 1;
    }
    asked
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_counted_by_kind_and_those_that_are_sent_again_too() {
    let fixture = Fixture::new().await;
    let slowed = AtomicBool::new(false);
    let proxy = Proxy::new(moto::shared().port, move |request| {
        let first = request.is_conditional_create() && !slowed.swap(true, Ordering::SeqCst);
        if first { Fault::SlowDown } else { Fault::None }
    });
    let store = fixture.by_way_of(proxy.port, options());
    let backend = store.backend();
    // To find that there is a store was a request.
    assert_eq!((backend.asked(), backend.asked().lists), (seen(&proxy), 1));

    let before = backend.asked();
    store.create(&fixture.path("short"), Bytes::from(bytes(60_000))).await.unwrap();
    let short = backend.asked().since(before);
    assert_eq!((short.puts, short.requests()), (2, 2), "the first was answered by SlowDown");
    // 20 MiB are three parts; they are begun and ended, and what lies there is looked at.
    let before = backend.asked();
    store.create(&fixture.path("long"), Bytes::from(bytes(20 << 20))).await.unwrap();
    let long = backend.asked().since(before);
    assert_eq!((long.puts, long.heads, long.requests()), (5, 1, 6));
    // What was sent twice counts once.
    let (objects, stored) = backend.stored_below("tables").unwrap();
    assert_eq!((objects, stored), (2, short.bytes_written + long.bytes_written));

    let before = backend.asked();
    store.get_range(&fixture.path("short"), 100..200).await.unwrap();
    let read = backend.asked().since(before);
    assert_eq!((read.gets, read.requests(), read.bytes_read), (1, 1, short.bytes_written));
    store.get_range(&fixture.path("long"), 12_000_000..12_000_100).await.unwrap();
    store.head(&fixture.path("long")).await.unwrap();
    let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
    assert!(listed.len() >= 2);
    store.delete(&fixture.path("long")).await.unwrap();

    let asked = backend.asked();
    let wanted = Asked { bytes_read: asked.bytes_read, bytes_written: asked.bytes_written, ..seen(&proxy) };
    assert_eq!(asked, wanted, "{:?}", proxy.seen());
    assert!(asked.gets >= 3 && asked.deletes == 1 && asked.lists >= 3, "{asked:?}");
}
