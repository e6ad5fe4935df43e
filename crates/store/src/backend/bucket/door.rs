//! The one place where a cloud store is opened. `object_store` signs and sends what is answered by an object's bytes or by nothing; what
//! is answered by XML it may not send at all, since it would read the answer with a parser that hostile XML holds up
//! (RUSTSEC-2026-0194, RUSTSEC-2026-0195): [`super::request`] sends that, and reads it by [`super::xml`].

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder, AwsCredential, S3ConditionalPut};
use object_store::client::{HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse, HttpService};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    ClientOptions, CredentialProvider, GetOptions, GetResultPayload, ObjectMeta, ObjectStore, PutMode, PutOptions, PutPayload, RetryConfig,
    UpdateVersion,
};
use reqwest::{Method, StatusCode};

use super::place::{S3Credentials, S3Place};
use super::trouble::Trouble;
use super::wire::{Answer, Wire};
use crate::backend::quoted;
use crate::error::find;

/// What the requests of this door need: the right to read, or to write.
const READS: &str = "s3:GetObject (and s3:ListBucket, without which a missing object cannot be told from a forbidden one)";
const WRITES: &str = "s3:PutObject";

/// When an object may be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    /// When there is none of its name.
    Absent,
    /// When the one that is there has this tag.
    Tag(String),
}

/// What became of a conditional write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Put {
    /// It is there, under this tag.
    Done(String),
    /// The condition does not hold; nothing was written by this request.
    Refused,
}

/// What was read.
#[derive(Debug)]
pub(super) enum Got {
    /// What is known of the object, and the bytes that were asked for, as far as there are any.
    Bytes(ObjectMeta, Bytes),
    /// There is no such object.
    Nothing,
    /// There is another one than was asked for.
    Other,
}

/// Objects of one bucket.
#[derive(Debug)]
pub(super) struct Door {
    store: AmazonS3,
}

impl Door {
    pub(super) fn new(place: &S3Place, wire: &Arc<Wire>) -> Result<Self, Trouble> {
        let address = &place.address;
        let store = AmazonS3Builder::new()
            .with_bucket_name(&address.bucket)
            .with_region(&address.region)
            .with_endpoint(&address.endpoint)
            .with_allow_http(address.plain)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_credentials(Arc::new(Keys(Arc::clone(&place.credentials))))
            // Who tries again must know that it was tried before: a condition may be broken by one's own success.
            .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
            .with_http_connector(Guard(Arc::clone(wire)))
            .build()
            .map_err(|_| Trouble::Odd("its address"))?;
        Ok(Self { store })
    }

    /// Writes an object, once: the answer may be lost, and the object be there.
    pub(super) async fn put(&self, key: &Path, bytes: Bytes, condition: &Condition) -> Result<Put, Trouble> {
        let mode = match condition {
            Condition::Absent => PutMode::Create,
            Condition::Tag(tag) => PutMode::Update(UpdateVersion { e_tag: Some(tag.clone()), version: None }),
        };
        match self.store.put_opts(key, PutPayload::from(bytes), PutOptions::from(mode)).await {
            Ok(put) => put.e_tag.map(|tag| Put::Done(quoted(&tag))).ok_or(Trouble::Odd("it names no tag")),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => Ok(Put::Refused),
            Err(error) => Err(trouble(&error)),
        }
    }

    /// Reads a range, cut at the object's end; of the object with a tag, if one is given.
    pub(super) async fn get(&self, key: &Path, range: Range<u64>, tag: Option<&str>) -> Result<Got, Trouble> {
        let options = GetOptions { range: Some(range.into()), if_match: tag.map(str::to_owned), ..GetOptions::default() };
        let got = match self.store.get_opts(key, options).await {
            Ok(got) => got,
            Err(object_store::Error::NotFound { .. }) => return Ok(Got::Nothing),
            Err(object_store::Error::Precondition { .. }) => return Ok(Got::Other),
            Err(error) => {
                return match trouble(&error) {
                    // Of an object without a byte there is no range.
                    Trouble::Status { status: 416, .. } => self.head(key).await,
                    trouble => Err(trouble),
                };
            }
        };
        let wanted = got.range.end.saturating_sub(got.range.start);
        let (meta, mut bytes) = (got.meta, BytesMut::new());
        let GetResultPayload::Stream(mut stream) = got.payload else { return Err(Trouble::Odd("it is a file")) };
        while let Some(chunk) = stream.try_next().await.map_err(|error| trouble(&error))? {
            bytes.extend_from_slice(&chunk);
        }
        if bytes.len() as u64 == wanted { Ok(Got::Bytes(meta, bytes.freeze())) } else { Err(Trouble::Broken) }
    }

    /// What is known of an object, without its bytes.
    pub(super) async fn head(&self, key: &Path) -> Result<Got, Trouble> {
        match self.store.get_opts(key, GetOptions { head: true, ..GetOptions::default() }).await {
            Ok(got) => Ok(Got::Bytes(got.meta, Bytes::new())),
            Err(object_store::Error::NotFound { .. }) => Ok(Got::Nothing),
            Err(error) => Err(trouble(&error)),
        }
    }

    /// Uploads a part, numbered from 0. Once more is harmless: the later one counts.
    pub(super) async fn part(&self, key: &Path, upload: &str, number: usize, bytes: Bytes) -> Result<PartId, Trouble> {
        let upload = upload.to_owned();
        self.store.put_part(key, &upload, number, PutPayload::from(bytes)).await.map_err(|error| trouble(&error))
    }

    /// Ends an upload without an object.
    pub(super) async fn abort(&self, key: &Path, upload: &str) -> Result<(), Trouble> {
        match self.store.abort_multipart(key, &upload.to_owned()).await.map_err(|error| trouble(&error)) {
            Err(trouble) if trouble.is_of_upload() => Ok(()),
            aborted => aborted,
        }
    }
}

/// What lies under an error of `object_store`, none of whose own text is repeated.
fn trouble(error: &object_store::Error) -> Trouble {
    find(error, &mut |at| at.downcast_ref::<Trouble>().cloned()).unwrap_or(Trouble::Odd("a part of it is missing"))
}

/// Makes the client that `object_store` sends by.
#[derive(Debug)]
struct Guard(Arc<Wire>);

impl HttpConnector for Guard {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Guarded(Arc::clone(&self.0))))
    }
}

#[derive(Debug)]
struct Guarded(Arc<Wire>);

/// Whether an answer is an object's bytes, or nothing.
fn is_let_through(request: &HttpRequest) -> bool {
    let query = request.uri().query().unwrap_or_default();
    let of_a_part = query.split('&').all(|pair| pair.starts_with("partNumber=") || pair.starts_with("uploadId="));
    match *request.method() {
        Method::GET | Method::HEAD => query.is_empty(),
        Method::PUT => (query.is_empty() || of_a_part) && !request.headers().contains_key("x-amz-copy-source"),
        Method::DELETE => of_a_part && !query.is_empty(),
        _ => false,
    }
}

#[async_trait]
impl HttpService for Guarded {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let failed = |trouble| HttpError::new(HttpErrorKind::Unknown, trouble);
        if !is_let_through(&request) {
            return Err(failed(Trouble::Odd("what is answered by XML is not asked here")));
        }
        let needs = if matches!(*request.method(), Method::GET | Method::HEAD) { READS } else { WRITES };
        let reads = *request.method() == Method::GET;
        let Answer { status, headers, body } = match self.0.send(request).await.map_err(failed)? {
            answer if answer.status.is_success() || is_told_by_status(&answer) => answer,
            answer => return Err(failed(answer.trouble(needs))),
        };
        let kept = if status.is_success() && reads { body } else { Bytes::new() };
        let mut response = HttpResponse::new(kept.into());
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

/// What `object_store` tells apart by the status alone. A missing bucket is no missing object.
fn is_told_by_status(answer: &Answer) -> bool {
    match answer.status {
        StatusCode::PRECONDITION_FAILED => true,
        StatusCode::NOT_FOUND => answer.code().is_none_or(|code| code == "NoSuchKey"),
        _ => false,
    }
}

/// Keys for `object_store`, read anew for each request.
#[derive(Debug)]
struct Keys(Arc<dyn S3Credentials>);

#[async_trait]
impl CredentialProvider for Keys {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let failed = |trouble: Trouble| object_store::Error::Generic { store: "S3", source: Box::new(trouble) };
        credential(self.0.as_ref()).map(Arc::new).map_err(failed)
    }
}

/// Keys that may be written into a header.
fn credential(source: &dyn S3Credentials) -> Result<AwsCredential, Trouble> {
    let read = source.read().map_err(Trouble::Keys)?;
    let fits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    let token = read.session_token.as_ref().map(|token| token.expose_secret());
    for (name, text) in [
        ("access_key_id", Some(read.access_key_id.expose_secret())),
        ("secret_access_key", Some(read.secret_access_key.expose_secret())),
        ("session_token", token),
    ] {
        if text.is_some_and(|text| !fits(text)) {
            return Err(Trouble::Keys(format!("{name} is empty, or holds a blank or a letter that keys do not hold")));
        }
    }
    Ok(AwsCredential {
        key_id: read.access_key_id.expose_secret().clone(),
        secret_key: read.secret_access_key.expose_secret().clone(),
        token: token.cloned(),
    })
}

/// Signs a request that is answered by XML.
pub(super) fn sign(request: &mut HttpRequest, place: &S3Place) -> Result<(), Trouble> {
    let credential = credential(place.credentials.as_ref())?;
    let signer = object_store::aws::AwsAuthorizer::new(&credential, "s3", &place.address.region);
    signer.authorize(request, None);
    Ok(())
}

/// A request with a body, for [`sign`].
pub(super) fn request(method: Method, url: &str, body: Bytes) -> Result<HttpRequest, Trouble> {
    let mut request = HttpRequest::new(HttpRequestBody::from(body));
    *request.method_mut() = method;
    *request.uri_mut() = url.parse().map_err(|_| Trouble::Odd("a key that no address holds"))?;
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever `object_store` would read as XML it does not get.
    #[test]
    fn nothing_that_is_answered_by_xml_is_let_through() {
        let through = |method: Method, query: &str| {
            is_let_through(&request(method, &format!("https://s3.example/data/key{query}"), Bytes::new()).unwrap())
        };
        for (method, query) in [
            (Method::GET, ""),
            (Method::HEAD, ""),
            (Method::PUT, ""),
            (Method::PUT, "?partNumber=1&uploadId=x"),
            (Method::DELETE, "?uploadId=x"),
        ] {
            assert!(through(method.clone(), query), "{method} {query}");
        }
        for (method, query) in [
            (Method::GET, "?list-type=2&prefix=x"),
            (Method::GET, "?uploads"),
            (Method::POST, "?uploads="),
            (Method::POST, "?uploadId=x"),
            (Method::POST, "?delete"),
            (Method::POST, ""),
            (Method::DELETE, ""),
            (Method::PUT, "?tagging"),
        ] {
            assert!(!through(method.clone(), query), "{method} {query}");
        }
        let mut copy = request(Method::PUT, "https://s3.example/data/key", Bytes::new()).unwrap();
        copy.headers_mut().insert("x-amz-copy-source", object_store::HeaderValue::from_static("data/other"));
        assert!(!is_let_through(&copy));
    }
}
