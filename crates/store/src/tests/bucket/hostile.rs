//! A storage that is not what it says: every answer is short, in time, plain and of what was asked, or an error.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use polder_types::ErrorKind;

use super::fixture::{SECRET, options, patience, place, plain};
use crate::{Backend, Error, Options, Patience, Trouble};

/// Answers every request with these bytes.
pub(super) fn answering(answer: Vec<u8>) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, answer) = (client.unwrap(), answer.clone());
            std::thread::spawn(move || {
                let _ = client.read(&mut [0; 65_536]);
                let _ = client.write_all(&answer);
            });
        }
    });
    port
}

pub(super) fn with_body(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).into_bytes()
}

fn opened(answer: Vec<u8>) -> Error {
    open(answer).unwrap_err()
}

fn open(answer: Vec<u8>) -> Result<Backend, Error> {
    let patience = Patience { attempts: 2, request: Duration::from_secs(60), ..patience() };
    let dir = tempfile::TempDir::new().unwrap();
    let place = place(&plain(answering(answer)), "data/polder", dir.path());
    Backend::open_s3(place, Options { patience, ..options() })
}

fn trouble(error: Error) -> Trouble {
    let text = format!("{error} {error:?}");
    assert!(!text.contains(SECRET) && !text.contains("quoted"), "{text}");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{text}");
    match error {
        Error::Bucket { source, .. } => source,
        other => panic!("{other}"),
    }
}

#[test]
fn answers_that_are_no_listing_are_refused() {
    let listing = |inside: &str| format!("<ListBucketResult>{inside}</ListBucketResult>");
    let object = |key: &str| {
        format!("<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00Z</LastModified><ETag>x</ETag><Size>1</Size></Contents>")
    };
    let attributes: String = (0..100_000).map(|number| format!(" xmlns:a{number}='x' b{number}=''")).collect();
    let deep = format!("{}{}", "<a>".repeat(200_000), "</a>".repeat(200_000));
    let bodies = [
        String::new(),
        "not XML".to_owned(),
        "<html><body>Log in</body></html>".to_owned(),
        format!("<Other{attributes}/>"),
        deep,
        "<!DOCTYPE a [<!ENTITY x 'y'>]><ListBucketResult>&x;</ListBucketResult>".to_owned(),
        listing(&object("other/key")),
        listing("<Contents><Key>polder/keyring/1</Key></Contents>"),
        listing(""),
        listing("<IsTruncated>perhaps</IsTruncated>"),
        listing("<IsTruncated>true</IsTruncated>"),
        listing(&format!("<IsTruncated>true</IsTruncated><NextContinuationToken>same</NextContinuationToken>{}", "<Contents/>")),
        "x".repeat(17 << 20),
    ];
    for body in bodies {
        let shown: String = body.chars().take(60).collect();
        assert!(matches!(trouble(opened(with_body("200 OK", "", &body))), Trouble::Odd(_)), "{shown}");
    }
    // The same page for ever.
    let page = listing(&format!(
        "<IsTruncated>true</IsTruncated><NextContinuationToken>same</NextContinuationToken>{}",
        object("polder/keyring/")
    ));
    let endless = open(with_body("200 OK", "", &page)).unwrap().every_file().unwrap_err();
    assert!(matches!(trouble(endless), Trouble::Odd("it comes to no end")));
}

#[test]
fn refusals_are_told_by_status_and_a_code_of_letters_alone() {
    let error = |code: &str| format!("<Error><Code>{code}</Code><Message>{SECRET} quoted</Message></Error>");
    let cases = [
        ("403 Forbidden", "", error("AccessDenied"), "give it the right s3:ListBucket"),
        ("403 Forbidden", "", error("SignatureDoesNotMatch"), "does not take the keys"),
        ("403 Forbidden", "", error("RequestTimeTooSkewed"), "set the clock"),
        ("403 Forbidden", "", error(&format!("{SECRET} {SECRET}")), "give it the right s3:ListBucket"),
        ("403 Forbidden", "", "x".repeat(1 << 20), "give it the right s3:ListBucket"),
        ("404 Not Found", "", error("NoSuchBucket"), "there is no such bucket"),
        ("301 Moved Permanently", "x-amz-bucket-region: eu-west-3\r\n", error("PermanentRedirect"), "set `region: eu-west-3`"),
        ("301 Moved Permanently", "x-amz-bucket-region: SECRET!\r\n", error("PermanentRedirect"), "the bucket lies elsewhere"),
        ("307 Temporary Redirect", "Location: http://127.0.0.1:1/\r\n", String::new(), "the bucket lies elsewhere"),
        ("501 Not Implemented", "", error("NotImplemented"), "the storage cannot do that"),
        ("400 Bad Request", "", error("InvalidRequest"), "check the settings"),
        ("200 OK", "", error("SlowDown"), "fewer requests at a time"),
    ];
    for (status, headers, body, advice) in cases {
        let error = opened(with_body(status, headers, &body));
        assert!(error.to_string().contains(advice), "{status}: {error}");
        let _ = trouble(error);
    }
    let full = opened(with_body("507 Insufficient Storage", "", &error("XMinioStorageFull")));
    assert!(full.is_no_space(), "{full}");
}
