//! Objects in a bucket keep the promises that files in a directory do.

use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutPayload};
use polder_keys::{KeyringVault, Keys, LocalCustody};
use polder_types::{ErrorKind, SystemClock};

use super::fixture::{Fixture, options, place, plain};
use super::moto;
use super::proxy::Proxy;
use crate::tests::fixture::{bytes, rng};
use crate::{Area, Backend, Error, FileKind, SealedStore, TempSpace, kind_of};

/// Around the ends of segments, of what is read first, and of parts.
const LENGTHS: [usize; 9] = [0, 1, 65_480, 65_481, 131_001, 300_000, (8 << 20) - 4_000, 8 << 20, 20 << 20];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_put_comes_back_and_is_not_in_the_bucket() {
    let fixture = Fixture::new().await;
    for len in LENGTHS {
        let (path, plain) = (fixture.path(&format!("part-{len}")), bytes(len));
        fixture.store.create(&path, Bytes::from(plain.clone())).await.unwrap();
        assert!(fixture.store.get(&path).await.unwrap().bytes().await.unwrap() == plain, "{len}");
        assert!(fixture.store.read(&path).await.unwrap() == plain, "{len}");
        assert_eq!(fixture.store.head(&path).await.unwrap().size, len as u64);
        if (64..=300_000).contains(&len) {
            let raw = moto::ask(moto::shared().port, "GET", &format!("/{}/some/where/{path}", fixture.bucket), b"");
            assert!(raw.starts_with("HTTP/1.1 200") && raw.len() > 64);
            assert!(!raw.contains(&*String::from_utf8_lossy(&plain[..64])));
        }
    }
    assert_eq!(fixture.open_uploads(), 0);
    let verified = fixture.store.verify(&fixture.path("part-300000")).await.unwrap();
    assert_eq!((verified.plain_bytes, verified.header.generation), (300_000, 1));
    let path = fixture.path(&format!("part-{}", 20 << 20));
    let whole = bytes(20 << 20);
    let ranges = [0..10, (8 << 20) - 5..(8 << 20) + 5, (20 << 20) - 3..20 << 20, 70_000..14_000_000];
    for (range, got) in ranges.iter().zip(fixture.store.get_ranges(&path, &ranges).await.unwrap()) {
        assert!(got == whole[range.start as usize..range.end as usize], "{range:?}");
    }
    let suffix = GetOptions { range: Some(GetRange::Suffix(5)), ..GetOptions::default() };
    assert_eq!(fixture.store.get_opts(&path, suffix).await.unwrap().bytes().await.unwrap(), &whole[(20 << 20) - 5..]);
}

#[tokio::test]
async fn a_name_is_created_once_and_overwritten_under_the_next_generation() {
    let fixture = Fixture::new().await;
    for len in [3, 9 << 20] {
        let path = fixture.path(&format!("a-{len}"));
        fixture.store.create(&path, Bytes::from(vec![1; len])).await.unwrap();
        let again = fixture.store.create(&path, Bytes::from(vec![2; len])).await.unwrap_err();
        assert!(matches!(again, object_store::Error::AlreadyExists { .. }), "{again}");
        assert_eq!(kind_of(&again), ErrorKind::Conflict);
        assert!(fixture.store.read(&path).await.unwrap() == vec![1; len]);
        for generation in 2..4u8 {
            let put = fixture.store.put(&path, PutPayload::from(vec![generation; len])).await.unwrap();
            assert_eq!(fixture.store.inspect(&path).await.unwrap().generation, u64::from(generation));
            assert_eq!(fixture.store.head(&path).await.unwrap().e_tag, put.e_tag);
        }
        assert!(fixture.store.read(&path).await.unwrap() == vec![3; len]);
    }
    assert_eq!(fixture.open_uploads(), 0);
}

/// Who was paused between reading what it replaces and replacing it, and woke after another had replaced it, takes nothing back.
#[tokio::test]
async fn an_object_that_was_replaced_meanwhile_is_not_replaced_by_an_older_plan() {
    let fixture = Fixture::new().await;
    for len in [10, 9 << 20] {
        let path = fixture.path(&format!("a-{len}"));
        fixture.store.create(&path, Bytes::from(vec![1; len])).await.unwrap();
        let paused = fixture.by_way_of(moto::shared().port, options());
        let mut upload = paused.put_multipart(&path).await.unwrap();
        upload.put_part(PutPayload::from(vec![2; len])).await.unwrap();
        fixture.store.put(&path, PutPayload::from(vec![3; len])).await.unwrap();
        let late = upload.complete().await.unwrap_err();
        assert_eq!(kind_of(&late), ErrorKind::Conflict, "{late}");
        assert!(fixture.store.read(&path).await.unwrap() == vec![3; len]);
        // Nor does one that was deleted come back.
        let mut upload = paused.put_multipart(&path).await.unwrap();
        upload.put_part(PutPayload::from(vec![4; len])).await.unwrap();
        fixture.store.delete(&path).await.unwrap();
        assert_eq!(kind_of(&upload.complete().await.unwrap_err()), ErrorKind::Conflict);
        assert!(matches!(fixture.store.read(&path).await.unwrap_err(), object_store::Error::NotFound { .. }));
    }
    assert_eq!(fixture.open_uploads(), 0);
}

/// Each reading of one object is of one state of it.
#[tokio::test]
async fn an_object_that_changes_while_it_is_read_is_an_error_and_no_mixture() {
    let fixture = Fixture::new().await;
    let path = fixture.path("long");
    fixture.store.create(&path, Bytes::from(bytes(9 << 20))).await.unwrap();
    let mut reading = fixture.store.get(&path).await.unwrap().into_stream();
    fixture.store.put(&path, PutPayload::from(vec![7; 9 << 20])).await.unwrap();
    let read: Result<Vec<Bytes>, _> = (&mut reading).try_collect().await;
    match read {
        Ok(read) => assert!(read.concat() == bytes(9 << 20)),
        Err(error) => assert_eq!(kind_of(&error), ErrorKind::Conflict, "{error}"),
    }
    assert!(fixture.store.read(&path).await.unwrap() == vec![7; 9 << 20]);
}

#[tokio::test]
async fn lists_are_sorted_and_whole_beyond_a_page() {
    let fixture = Fixture::new().await;
    let names = ["b", "a/2", "a/10", "a-b", "a.b/c", "with blank+&<é", "_delta_log/00000000000000000001.json"];
    for (at, name) in names.iter().enumerate() {
        fixture.store.create(&fixture.path(name), Bytes::from(bytes(at * 40_000))).await.unwrap();
    }
    let all: Vec<_> = fixture.store.list(None).try_collect().await.unwrap();
    let locations: Vec<&str> = all.iter().map(|meta| meta.location.as_ref()).collect();
    assert!(locations.is_sorted() && locations.len() == names.len(), "{locations:?}");
    for (at, name) in names.iter().enumerate() {
        let meta = all.iter().find(|meta| meta.location == fixture.path(name)).unwrap();
        assert_eq!(meta.size, at as u64 * 40_000);
        assert_eq!(meta.e_tag, fixture.store.head(&fixture.path(name)).await.unwrap().e_tag, "{name}");
    }
    let root = fixture.store.list_with_delimiter(Some(&fixture.path(""))).await.unwrap();
    assert_eq!(root.common_prefixes, vec![fixture.path("_delta_log"), fixture.path("a"), fixture.path("a.b")]);
    assert_eq!(root.objects.len(), 3);
    let areas = fixture.store.list_with_delimiter(None).await.unwrap();
    assert_eq!(areas.common_prefixes, vec![object_store::path::Path::from("tables")]);
    let none: Vec<_> = fixture.store.list(Some(&fixture.path("a/1"))).try_collect().await.unwrap();
    assert!(none.is_empty(), "a directory's name is not the beginning of one");

    let proxy = Proxy::of_short_pages(moto::shared().port);
    let paged = fixture.by_way_of(proxy.port, options());
    for number in 0..20 {
        fixture.plant(&format!("offsets/{}/{number:04}", fixture.table), b"x");
    }
    let files = fixture.store.backend().every_file().unwrap();
    assert!(files.is_sorted_by(|a, b| a.path < b.path) && files.len() > 26);
    assert_eq!(paged.backend().every_file().unwrap(), files);
    let again: Vec<_> = paged.list(Some(&fixture.path(""))).try_collect().await.unwrap();
    assert_eq!(again, all);
    assert_eq!(paged.list_with_delimiter(Some(&fixture.path(""))).await.unwrap().common_prefixes, root.common_prefixes);
    let pages = proxy.seen().into_iter().filter(|(asked, _)| asked.contains("continuation-token")).count();
    assert!(pages >= 4, "{pages}");
}

#[tokio::test]
async fn objects_are_deleted_together_and_what_is_gone_is_no_error() {
    let fixture = Fixture::new().await;
    let paths: Vec<_> = (0..40).map(|number| fixture.path(&format!("x/{number}"))).collect();
    for path in paths.iter().skip(1) {
        fixture.store.create(path, Bytes::from_static(b"x")).await.unwrap();
    }
    let wanted = futures::stream::iter(paths.clone().into_iter().map(Ok));
    let deleted: Vec<_> = fixture.store.delete_stream(Box::pin(wanted)).try_collect().await.unwrap();
    assert_eq!(deleted, paths);
    assert_eq!(fixture.store.list(None).try_collect::<Vec<_>>().await.unwrap(), []);
    let foreign = fixture.store.delete(&object_store::path::Path::from("lease/00000000000000000001")).await.unwrap_err();
    assert_eq!(kind_of(&foreign), ErrorKind::Invalid);
}

#[tokio::test]
async fn every_object_is_of_a_known_kind_and_what_others_put_there_is_told_of() {
    let fixture = Fixture::new().await;
    fixture.store.create(&fixture.path("a"), Bytes::new()).await.unwrap();
    let lease = crate::Lease::acquire(fixture.store.backend(), Arc::new(SystemClock), None).await.unwrap();
    // What a console makes of the prefix, and beside it.
    moto::ask(moto::shared().port, "PUT", &format!("/{}/some/where/", fixture.bucket), b"");
    moto::ask(moto::shared().port, "PUT", &format!("/{}/some/whereabouts", fixture.bucket), b"x");
    let kinds = || fixture.store.backend().every_file().unwrap().into_iter().map(|file| file.kind);
    assert_eq!(kinds().filter(|kind| matches!(kind, FileKind::Object(Area::Tables, _))).count(), 1);
    assert_eq!(kinds().filter(|kind| *kind == FileKind::Lease(1)).count(), 1);
    assert!(kinds().any(|kind| matches!(kind, FileKind::Keyring(_))));
    assert!(kinds().all(|kind| kind != FileKind::Unknown && kind != FileKind::Temporary && kind != FileKind::Reserve));
    let temporary = format!("tmp/{}", fixture.table);
    for stray in ["notes.txt", "tables/notes.txt", "keyring/7", "lease/x", "tables/a//b", "reserve", &temporary] {
        fixture.plant(stray, b"x");
    }
    assert_eq!(kinds().filter(|kind| *kind == FileKind::Unknown).count(), 7);
    lease.check().await.unwrap();
    assert_eq!(fixture.store.backend().reserve_bytes().unwrap(), 0);
    assert_eq!(fixture.store.backend().release_reserve(1 << 20).unwrap(), 0);
}

#[tokio::test]
async fn a_store_is_made_under_an_empty_prefix_and_opened_where_there_is_one() {
    let fixture = Fixture::new().await;
    let port = moto::shared().port;
    let again = Backend::create_s3(fixture.place(port), options()).unwrap_err();
    assert!(matches!(again, Error::PrefixNotEmpty { .. }) && again.kind() == ErrorKind::Invalid, "{again}");
    assert!(again.to_string().contains(&format!("s3://{}/some/where", fixture.bucket)), "{again}");
    let beside = fixture.dir.path().join("beside");
    let elsewhere = |location: &str| place(&plain(port), location, &beside);
    let none = Backend::open_s3(elsewhere(&format!("{}/some", fixture.bucket)), options()).unwrap_err();
    assert!(matches!(none, Error::NoStore { .. }), "a prefix of the prefix: {none}");
    Backend::create_s3(elsewhere(&format!("{}/some/wher", fixture.bucket)), options()).unwrap();
    let none = Backend::open_s3(elsewhere("polder-none/x"), options()).unwrap_err();
    assert_eq!(none.kind(), ErrorKind::Unavailable);
    assert!(none.to_string().contains("there is no such bucket"), "{none}");
}

/// Whoever has the address and the key needs nothing else of the machine that wrote.
#[tokio::test]
async fn another_machine_goes_on_with_the_address_and_the_key_alone() {
    let fixture = Fixture::new().await;
    let path = fixture.path("a");
    fixture.store.create(&path, Bytes::from(bytes(200_000))).await.unwrap();
    let machine = tempfile::TempDir::new().unwrap();
    std::fs::copy(fixture.dir.path().join("key"), machine.path().join("key")).unwrap();
    let location = format!("{}/some/where", fixture.bucket);
    let backend = Backend::open_s3(place(&plain(moto::shared().port), &location, &machine.path().join("new/beside")), options()).unwrap();
    let custody = Arc::new(LocalCustody::open_key_file(&machine.path().join("key")).unwrap());
    let keys = Keys::open(custody, Arc::new(backend.clone()), Arc::new(SystemClock), rng()).await.unwrap();
    let store = SealedStore::new(backend.clone(), keys, rng());
    assert!(store.read(&path).await.unwrap() == bytes(200_000));
    store.create(&fixture.path("b"), Bytes::from_static(b"more")).await.unwrap();
    let temp = TempSpace::new(backend, rng(), 1 << 20).unwrap();
    std::io::Write::write_all(&mut temp.create().unwrap(), b"spilled").unwrap();
    assert_eq!(fixture.store.read(&fixture.path("b")).await.unwrap(), "more");
}

#[tokio::test]
async fn keyrings_are_created_once_and_kept_in_the_bucket() {
    let fixture = Fixture::new().await;
    let backend = fixture.store.backend();
    let before = backend.versions().await.unwrap();
    let (version, long) = (before.iter().max().unwrap() + 1, bytes(200_000));
    backend.create(version, long.clone()).await.unwrap();
    let again = backend.create(version, bytes(10)).await.unwrap_err();
    assert!(matches!(again, polder_keys::Error::VersionExists { .. }), "{again}");
    assert!(backend.read(version).await.unwrap() == long);
    assert_eq!(backend.versions().await.unwrap().len(), before.len() + 1);
    KeyringVault::delete(backend, version).await.unwrap();
    KeyringVault::delete(backend, version).await.unwrap();
    assert_eq!(backend.versions().await.unwrap(), before);
}

#[tokio::test]
async fn reencryption_brings_objects_of_a_bucket_to_the_current_key() {
    let fixture = Fixture::new().await;
    for len in [1_000, 9 << 20] {
        let path = fixture.path(&format!("old-{len}"));
        fixture.store.create(&path, Bytes::from(bytes(len))).await.unwrap();
        let version = fixture.keys.rotate_dataset(fixture.table).await.unwrap();
        let done = fixture.store.reencrypt(&path).await.unwrap();
        assert_eq!((done.changed, done.key_version, done.generation), (true, version, 2));
        assert!(!fixture.store.reencrypt(&path).await.unwrap().changed);
        assert!(fixture.store.read(&path).await.unwrap() == bytes(len));
    }
}

#[tokio::test]
async fn an_upload_that_is_not_completed_leaves_nothing_and_a_dead_ones_is_swept() {
    let fixture = Fixture::new().await;
    let path = fixture.path("x");
    let mut upload = fixture.store.put_multipart(&path).await.unwrap();
    for _ in 0..3 {
        upload.put_part(PutPayload::from(bytes(9 << 20))).await.unwrap();
    }
    assert_eq!(fixture.open_uploads(), 1);
    assert!(fixture.store.head(&path).await.is_err(), "visible before it is whole");
    upload.abort().await.unwrap();
    assert_eq!(fixture.open_uploads(), 0);

    let mut upload = fixture.store.put_multipart(&path).await.unwrap();
    upload.put_part(PutPayload::from(bytes(20 << 20))).await.unwrap();
    drop(upload);
    assert_eq!(fixture.open_uploads(), 0);
    // A process that was killed aborts nothing.
    for key in ["some/where/tables/x", "some/where/tables/y", "some/whereabouts"] {
        moto::ask(moto::shared().port, "POST", &format!("/{}/{key}?uploads", fixture.bucket), b"");
    }
    assert_eq!(fixture.open_uploads(), 3);
    assert_eq!(fixture.store.backend().sweep_temporaries().unwrap(), 2);
    assert_eq!(fixture.open_uploads(), 1, "another's upload is not ours to abort");
    assert_eq!(fixture.store.backend().counters().upload_bytes, 0);
}

#[tokio::test]
async fn temporary_files_stay_on_this_machine_sealed_and_private() {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    let fixture = Fixture::new().await;
    let objects = fixture.store.backend().every_file().unwrap();
    let space = TempSpace::new(fixture.store.backend().clone(), rng(), 1 << 20).unwrap();
    let beside = fixture.dir.path().join("beside");
    let scratch = || std::fs::read_dir(&beside).unwrap().next().unwrap().unwrap().path();
    let mut writer = space.create().unwrap();
    writer.write_all(&b"planted-plain-text ".repeat(1_000)).unwrap();
    let file = writer.finish().unwrap();
    assert_eq!(std::fs::metadata(scratch()).unwrap().permissions().mode() & 0o7777, 0o700);
    let on_disk = std::fs::read(scratch().join(file.path())).unwrap();
    assert!(on_disk.len() > 19_000 && !on_disk.windows(18).any(|window| window == b"planted-plain-text"));
    assert_eq!(file.read_range(0..18).unwrap(), "planted-plain-text");
    assert_eq!(fixture.store.backend().every_file().unwrap(), objects, "nothing of it is in the bucket");
    let left = scratch().join("tmp").join("0".repeat(32));
    std::fs::write(&left, "left over").unwrap();
    drop((file, space));
    assert_eq!(fixture.store.backend().sweep_temporaries().unwrap(), 1);
    assert_eq!(std::fs::read_dir(scratch().join("tmp")).unwrap().count(), 0);

    std::fs::set_permissions(scratch(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let other = TempSpace::new(fixture.open(moto::shared().port, options()).unwrap(), rng(), 1 << 20).unwrap();
    let refused = other.create().err().unwrap();
    assert!(matches!(refused, Error::Scratch { mode: 0o755, .. }) && refused.kind() == ErrorKind::Denied, "{refused}");
}

#[tokio::test]
async fn a_short_object_costs_one_request_each_way() {
    let fixture = Fixture::new().await;
    let (path, backend) = (fixture.path("a"), fixture.store.backend());
    let requests = || backend.asked().requests();
    let before = requests();
    fixture.store.create(&path, Bytes::from(bytes(60_000))).await.unwrap();
    assert_eq!(requests() - before, 1);
    fixture.store.get_range(&path, 100..50_000).await.unwrap();
    assert_eq!(requests() - before, 2);
    fixture.store.delete(&path).await.unwrap();
    assert_eq!(requests() - before, 3);
}

/// A key that was destroyed would stay in an older version of a keyring.
#[tokio::test]
async fn a_bucket_that_keeps_versions_is_told_of() {
    let fixture = Fixture::new().await;
    let path = fixture.path("a");
    fixture.store.create(&path, Bytes::from_static(b"x")).await.unwrap();
    assert!(!fixture.store.backend().keeps_versions());
    let setting = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    moto::ask(moto::shared().port, "PUT", &format!("/{}?versioning", fixture.bucket), setting);
    fixture.store.put(&path, PutPayload::from_static(b"y")).await.unwrap();
    assert!(fixture.store.backend().keeps_versions());
    let reader = fixture.by_way_of(moto::shared().port, options());
    reader.read(&path).await.unwrap();
    assert!(reader.backend().keeps_versions(), "a look tells as well");
}
