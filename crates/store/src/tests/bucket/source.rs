//! A bucket that is not the store's: listed to the end, read in ranges of the very object that was listed, and told of in a source's words.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use polder_types::ErrorKind;

use super::faults::{first, impatient};
use super::fixture::{KEY_ID, SECRET, options, patience, place, plain};
use super::hostile::{answering, with_body};
use super::moto;
use super::proxy::{Fault, Proxy};
use crate::tests::fixture::bytes;
use crate::{Options, Patience, SourceBucket, SourceObject, Trouble};

fn opened(port: u16, bucket: &str, options: Options) -> SourceBucket {
    SourceBucket::open(place(&plain(port), bucket, Path::new("")), options).unwrap()
}

fn put(bucket: &str, target: &str, bytes: &[u8]) {
    let answer = moto::ask(moto::shared().port, "PUT", &format!("/{bucket}/{target}"), bytes);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

fn whole(source: &SourceBucket, object: &SourceObject) -> Result<Option<Vec<u8>>, Trouble> {
    let mut read = Vec::new();
    while (read.len() as u64) < object.len {
        match source.read(object, read.len() as u64..object.len)? {
            Some(bytes) => read.extend_from_slice(&bytes),
            None => return Ok(None),
        }
    }
    Ok(Some(read))
}

#[test]
fn objects_are_listed_over_all_pages_and_read_under_any_key() {
    let port = moto::shared().port;
    let bucket = moto::bucket(port);
    for number in 0..30 {
        put(&bucket, &format!("in/{number:03}.csv"), format!("{number}").as_bytes());
    }
    put(&bucket, "in/with%20blank%2B%26%3C%C3%A9.csv", b"odd");
    put(&bucket, "in/large.bin", &bytes(9 << 20));
    put(&bucket, "inside.csv", b"x");
    let proxy = Proxy::of_short_pages(port);
    let source = opened(proxy.port, &bucket, options());
    let listed = source.list("in/").unwrap();
    let keys: Vec<&str> = listed.iter().map(|object| object.key.as_str()).collect();
    assert!(keys.is_sorted() && keys.len() == 32 && keys.iter().all(|key| key.starts_with("in/")), "{keys:?}");
    let pages = proxy.seen().into_iter().filter(|(asked, _)| asked.contains("continuation-token")).count();
    assert_eq!(pages, 4);
    let find = |key: &str| listed.iter().find(|object| object.key == key).unwrap();
    assert_eq!(whole(&source, find("in/with blank+&<é.csv")).unwrap().unwrap(), b"odd");
    assert_eq!(whole(&source, find("in/017.csv")).unwrap().unwrap(), b"17");
    let large = find("in/large.bin");
    assert!(whole(&source, large).unwrap().unwrap() == bytes(9 << 20));
    assert_eq!(source.read(large, 0..large.len).unwrap().unwrap().len() as u64, SourceBucket::READ_MAX_BYTES);
    assert!(source.read(large, large.len..large.len + 1).unwrap().unwrap().is_empty());
    assert!(source.list("nowhere/").unwrap().is_empty());
}

/// What passes is waited out, and what was read is whole.
#[test]
fn a_network_in_trouble_costs_time_and_no_byte() {
    let bucket = moto::bucket(moto::shared().port);
    let data = bytes(300_000);
    put(&bucket, "a", &data);
    for fault in
        [Fault::LostRequest, Fault::LostAnswer, Fault::Error, Fault::ErrorAfter, Fault::SlowDown, Fault::Cut, Fault::Stall, Fault::Slow]
    {
        let proxy = Proxy::new(moto::shared().port, first(2, fault, |request| request.target().contains("list-type")));
        let object = opened(proxy.port, &bucket, impatient()).list("").unwrap().remove(0);
        let proxy = Proxy::new(moto::shared().port, first(2, fault, |request| !request.target().contains("list-type")));
        let read = whole(&opened(proxy.port, &bucket, impatient()), &object);
        assert!(read.unwrap().unwrap() == data, "{fault:?}");
        // What is slow comes, and is not asked for again.
        let wanted = if fault == Fault::Slow { 1 } else { 2 };
        assert_eq!(proxy.seen().iter().filter(|(_, seen)| *seen == fault).count(), wanted, "{fault:?}");
    }
}

#[test]
fn a_storage_that_stays_in_trouble_is_given_up_after_as_many_attempts_as_are_stated() {
    let bucket = moto::bucket(moto::shared().port);
    put(&bucket, "a", b"x");
    let object = opened(moto::shared().port, &bucket, options()).list("").unwrap().remove(0);
    for (fault, attempts) in [(Fault::SlowDown, 5), (Fault::Cut, 5), (Fault::Stall, 3)] {
        let patience = Patience { attempts, request: Duration::from_millis(200), ..patience() };
        let proxy = Proxy::new(moto::shared().port, move |_| fault);
        let trouble = opened(proxy.port, &bucket, Options { patience, ..options() }).read(&object, 0..1).unwrap_err();
        assert_eq!(trouble.kind(), ErrorKind::Unavailable, "{trouble}");
        assert_eq!(proxy.seen().len(), attempts as usize, "{fault:?}");
    }
}

#[test]
fn an_object_that_another_one_took_the_place_of_is_not_read() {
    let port = moto::shared().port;
    let bucket = moto::bucket(port);
    put(&bucket, "a", b"before");
    put(&bucket, "gone", b"before");
    let source = opened(port, &bucket, options());
    let listed = source.list("").unwrap();
    assert_eq!(source.read(&listed[0], 0..3).unwrap().unwrap(), b"bef"[..]);
    put(&bucket, "a", b"AFTER!");
    moto::ask(port, "DELETE", &format!("/{bucket}/gone"), b"");
    assert_eq!(source.read(&listed[0], 3..6).unwrap(), None);
    assert_eq!(source.read(&listed[1], 0..6).unwrap(), None);
    // A storage that passes over the condition is found out by the tag of what it gives.
    let proxy = Proxy::without_header(port, "if-match");
    assert_eq!(opened(proxy.port, &bucket, options()).read(&listed[0], 3..6).unwrap(), None);
    let now = source.list("a").unwrap().remove(0);
    assert_eq!(opened(proxy.port, &bucket, options()).read(&now, 3..6).unwrap().unwrap(), b"ER!"[..]);
}

/// An answer that says yes and is not what was asked for.
#[test]
fn an_answer_of_another_range_is_an_error_and_never_fewer_bytes() {
    let object = SourceObject { key: "a".to_owned(), tag: "\"t\"".to_owned(), len: 10, modified_ms: 0 };
    let head = "ETag: \"t\"\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n";
    let patience = Patience { attempts: 2, ..patience() };
    let read =
        |answer: Vec<u8>| opened(answering(answer), "data", Options { patience: patience.clone(), ..options() }).read(&object, 0..10);
    let good = with_body("206 Partial Content", &format!("{head}Content-Range: bytes 0-9/10\r\n"), "0123456789");
    assert_eq!(read(good).unwrap().unwrap(), b"0123456789"[..]);
    for (status, range, body) in [
        ("206 Partial Content", "Content-Range: bytes 0-3/10\r\n", "0123"),
        ("206 Partial Content", "Content-Range: bytes 0-9/10\r\n", "0123"),
        ("206 Partial Content", "Content-Range: bytes 5-14/20\r\n", "0123456789"),
        ("206 Partial Content", "Content-Range: bytes 0-9/20\r\n", "0123456789"),
        ("206 Partial Content", "", "0123456789"),
        ("200 OK", "", "0123456789"),
        ("200 OK", "", ""),
    ] {
        let read = read(with_body(status, &format!("{head}{range}"), body));
        assert!(!matches!(read, Ok(Some(_))), "{status} {range} {body}: {read:?}");
    }
    let cut =
        format!("HTTP/1.1 206 Partial Content\r\n{head}Content-Range: bytes 0-9/10\r\nContent-Length: 10\r\nConnection: close\r\n\r\n0123");
    assert_eq!(read(cut.into_bytes()).unwrap_err(), Trouble::Broken);
}

#[test]
fn what_a_storage_refuses_is_told_in_the_words_of_a_source() {
    let error = |code: &str| format!("<Error><Code>{code}</Code><Message>{SECRET} quoted</Message></Error>");
    for (status, headers, code, kind, advice) in [
        ("403 Forbidden", "", "AccessDenied", ErrorKind::Denied, "give it the right s3:ListBucket"),
        ("403 Forbidden", "", "SignatureDoesNotMatch", ErrorKind::Denied, "and `session_token` of the source name"),
        ("400 Bad Request", "", "ExpiredToken", ErrorKind::Denied, "and `session_token` of the source name"),
        ("404 Not Found", "", "NoSuchBucket", ErrorKind::NotFound, "or correct `path` and `endpoint` of the source"),
        ("301 Moved Permanently", "x-amz-bucket-region: eu-west-3\r\n", "PermanentRedirect", ErrorKind::Invalid, "set `region: eu-west-3`"),
        (
            "307 Temporary Redirect",
            "Location: http://127.0.0.1:1/\r\n",
            "TemporaryRedirect",
            ErrorKind::Invalid,
            "the bucket lies elsewhere",
        ),
        ("501 Not Implemented", "", "NotImplemented", ErrorKind::Unavailable, "docs/format/source.md says what a source needs"),
        ("507 Insufficient Storage", "", "Full", ErrorKind::Unavailable, "check the settings of the source"),
    ] {
        let port = answering(with_body(status, headers, &error(code)));
        let trouble = opened(port, "data", options()).list("").unwrap_err();
        assert_eq!(trouble.kind(), kind, "{code}: {trouble}");
        let text = format!("{trouble} {trouble:?} {}", trouble.advice_of_source());
        assert!(text.contains(advice), "{text}");
        assert!(!text.contains("quoted") && !text.contains(SECRET) && !text.contains(KEY_ID), "{text}");
    }
}

/// It would be held in memory, page by page, for as long as the storage likes.
#[test]
fn a_listing_of_too_many_objects_is_not_followed() {
    let bucket = moto::bucket(moto::shared().port);
    for number in 0..9 {
        put(&bucket, &format!("{number}"), b"x");
    }
    let asked = std::sync::Arc::new(AtomicUsize::new(0));
    let counting = std::sync::Arc::clone(&asked);
    let proxy = Proxy::new(moto::shared().port, move |_| {
        counting.fetch_add(1, Ordering::SeqCst);
        Fault::None
    });
    let source = opened(proxy.port, &bucket, options());
    assert_eq!(source.list_up_to("", 9).unwrap().len(), 9);
    let trouble = source.list_up_to("", 8).unwrap_err();
    assert_eq!((trouble.clone(), trouble.kind()), (Trouble::TooMany(8), ErrorKind::Rejected));
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}
