//! Requests that are answered by XML, or by nothing that `object_store` knows: listings, deletions, the begin and end of uploads.

use bytes::Bytes;
use reqwest::Method;

use super::client::Client;
use super::door::{self, Condition, Put};
use super::trouble::Trouble;
use super::wire::Answer;
use super::xml::{self, Element};
use crate::backend::quoted;

const LISTS: &str = "s3:ListBucket";
const LISTS_UPLOADS: &str = "s3:ListBucketMultipartUploads";
const WRITES: &str = "s3:PutObject";
const DELETES: &str = "s3:DeleteObject";
/// Most keys that a listing gives at a time.
const PAGE: &str = "1000";
/// Most objects of one listing: a storage that never comes to an end is not followed for ever.
const LISTED_MAX: usize = 20_000_000;
const MISSING: Trouble = Trouble::Odd("a part of it is missing");

/// An object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) key: String,
    pub(super) tag: String,
    pub(super) len: u64,
    pub(super) modified_ms: i64,
}

/// What a listing found.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) objects: Vec<Listed>,
    /// What keys begin with up to the next `/`, that included.
    pub(super) prefixes: Vec<String>,
}

/// Everything but letters, digits and `-._~`, as signatures of the fourth version want it.
fn encoded(text: &str, keep_slash: bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') || (keep_slash && byte == b'/') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// Milliseconds since the epoch of a time as listings write it.
fn time_ms(text: &str) -> Result<i64, Trouble> {
    let time = chrono::DateTime::parse_from_rfc3339(text).map_err(|_| Trouble::Odd("a time in it is none"))?;
    Ok(time.timestamp_millis())
}

impl Client {
    /// One request, once.
    async fn send(
        &self,
        method: Method,
        key: &str,
        query: &[(&str, &str)],
        body: Bytes,
        condition: Option<&Condition>,
    ) -> Result<Answer, Trouble> {
        let address = &self.place.address;
        let slash = if key.is_empty() { "" } else { "/" };
        let pairs: Vec<String> = query.iter().map(|(name, value)| format!("{}={}", encoded(name, false), encoded(value, false))).collect();
        let mark = if pairs.is_empty() { "" } else { "?" };
        let url = format!("{}/{}{slash}{}{mark}{}", address.endpoint, address.bucket, encoded(key, true), pairs.join("&"));
        let mut request = door::request(method, &url, body)?;
        let (name, value) = match condition {
            None => ("", ""),
            Some(Condition::Absent) => ("if-none-match", "*"),
            Some(Condition::Tag(tag)) => ("if-match", tag.as_str()),
        };
        if !name.is_empty() {
            let value = value.parse().map_err(|_| Trouble::Odd("a tag that no header holds"))?;
            request.headers_mut().insert(name, value);
        }
        door::sign(&mut request, &self.place)?;
        self.wire.send(request).await
    }

    /// An answer that must be a document of a name.
    fn document(answer: &Answer, name: &str, needs: &'static str) -> Result<Element, Trouble> {
        if !answer.status.is_success() {
            return Err(answer.trouble(needs));
        }
        let root = xml::read(&answer.body)?;
        if root.name == "Error" {
            // A long request is answered by 200 before its end is known.
            let code = root.text_of("Code");
            let status = if matches!(code, "InternalError" | "SlowDown" | "ServiceUnavailable") { 503 } else { 400 };
            return Err(Trouble::status(status, Some(code), None, needs));
        }
        if root.name == name { Ok(root) } else { Err(Trouble::Odd("it is another document than was asked for")) }
    }

    /// Objects whose keys begin with a text, sorted; with `one_level`, up to the next `/`; `first` of them, or all.
    pub(super) async fn list(&self, prefix: &str, one_level: bool, first: Option<usize>) -> Result<Listing, Trouble> {
        self.listed(prefix, one_level, first, LISTED_MAX).await
    }

    /// All objects whose keys begin with a text, sorted; more than `most` are an error.
    pub(super) async fn list_at_most(&self, prefix: &str, most: usize) -> Result<Vec<Listed>, Trouble> {
        Ok(self.listed(prefix, false, None, most).await?.objects)
    }

    async fn listed(&self, prefix: &str, one_level: bool, first: Option<usize>, most: usize) -> Result<Listing, Trouble> {
        let mut listing = Listing::default();
        let mut token: Option<String> = None;
        loop {
            let mut query = vec![("list-type", "2"), ("prefix", prefix)];
            let wanted = first.map(|first| first.to_string());
            query.push(("max-keys", wanted.as_deref().unwrap_or(PAGE)));
            query.extend(one_level.then_some(("delimiter", "/")));
            query.extend(token.as_deref().map(|token| ("continuation-token", token)));
            let page = self
                .ask_rest(|| async {
                    Self::document(&self.send(Method::GET, "", &query, Bytes::new(), None).await?, "ListBucketResult", LISTS)
                })
                .await?;
            for found in &page.children {
                match found.name.as_str() {
                    "Contents" => {
                        let key = found.text_of("Key").to_owned();
                        let len = found.text_of("Size").parse().map_err(|_| MISSING)?;
                        let modified_ms = time_ms(found.text_of("LastModified"))?;
                        listing.objects.push(Listed { key, tag: found.text_of("ETag").to_owned(), len, modified_ms });
                    }
                    "CommonPrefixes" => listing.prefixes.push(found.text_of("Prefix").to_owned()),
                    _ => {}
                }
            }
            let begins = |key: &str| key.starts_with(prefix);
            if !listing.objects.iter().all(|object| begins(&object.key)) || !listing.prefixes.iter().all(|prefix| begins(prefix)) {
                return Err(Trouble::Odd("it lists what was not asked for"));
            }
            let found = listing.objects.len() + listing.prefixes.len();
            if found > most {
                return Err(Trouble::TooMany(most));
            }
            // Whoever takes a page for the whole misses objects, and takes rows of them for deleted.
            let goes_on = match page.text_of("IsTruncated") {
                "true" => true,
                "false" => false,
                _ => return Err(Trouble::Odd("it does not tell whether it is whole")),
            };
            if !goes_on || first.is_some_and(|first| found >= first) {
                break;
            }
            let next = page.text_of("NextContinuationToken").to_owned();
            if next.is_empty() || Some(&next) == token.as_ref() {
                return Err(Trouble::Odd("it comes to no end"));
            }
            token = Some(next);
        }
        listing.objects.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        listing.prefixes.sort_unstable();
        Ok(listing)
    }

    /// Deletes an object. Whether it was there is not told.
    pub(super) async fn delete(&self, key: &str) -> Result<(), Trouble> {
        self.ask_visible(|| async {
            let answer = self.send(Method::DELETE, key, &[], Bytes::new(), None).await?;
            let gone = answer.status.as_u16() == 404 && answer.code().is_none_or(|code| code == "NoSuchKey");
            if answer.status.is_success() || gone { Ok(()) } else { Err(answer.trouble(DELETES)) }
        })
        .await
    }

    /// Begins an upload in parts. One whose answer is lost stays until it is swept.
    pub(super) async fn begin(&self, key: &str) -> Result<String, Trouble> {
        self.ask_rest(|| async {
            let answer = self.send(Method::POST, key, &[("uploads", "")], Bytes::new(), None).await?;
            let upload = Self::document(&answer, "InitiateMultipartUploadResult", WRITES)?.text_of("UploadId").to_owned();
            if (1..=1024).contains(&upload.len()) { Ok(upload) } else { Err(MISSING) }
        })
        .await
    }

    /// Makes an object of the parts, once: the answer may be lost, and the object be there.
    pub(super) async fn complete(&self, key: &str, upload: &str, tags: &[String], condition: &Condition) -> Result<Put, Trouble> {
        let part = |(number, tag): (usize, &String)| {
            format!("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>", number + 1, xml::escaped(tag))
        };
        let parts: String = tags.iter().enumerate().map(part).collect();
        let body = format!("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{parts}</CompleteMultipartUpload>");
        let answer = self.send(Method::POST, key, &[("uploadId", upload)], body.into(), Some(condition)).await?;
        if answer.status.as_u16() == 412 {
            return Ok(Put::Refused);
        }
        let document = Self::document(&answer, "CompleteMultipartUploadResult", WRITES)?;
        match document.text_of("ETag") {
            "" => Err(MISSING),
            tag => Ok(Put::Done(quoted(tag))),
        }
    }

    /// Uploads below a prefix that were begun and not completed: key and id of each. Nothing where the storage does not tell.
    pub(super) async fn uploads(&self, prefix: &str) -> Result<Vec<(String, String)>, Trouble> {
        let mut uploads: Vec<(String, String)> = Vec::new();
        let mut marker: Option<(String, String)> = None;
        loop {
            let mut query = vec![("uploads", ""), ("prefix", prefix)];
            if let Some((key, upload)) = &marker {
                query.extend([("key-marker", key.as_str()), ("upload-id-marker", upload.as_str())]);
            }
            let page = self.ask_rest(|| async {
                Self::document(&self.send(Method::GET, "", &query, Bytes::new(), None).await?, "ListMultipartUploadsResult", LISTS_UPLOADS)
            });
            let page = match page.await {
                Err(trouble) if trouble.is_unknown_there() => return Ok(uploads),
                page => page?,
            };
            let found = page.children.iter().filter(|child| child.name == "Upload");
            uploads.extend(found.map(|upload| (upload.text_of("Key").to_owned(), upload.text_of("UploadId").to_owned())));
            // Storage that does not know the prefix lists those of others too, which are left alone.
            uploads.retain(|(key, _)| key.starts_with(prefix));
            if page.text_of("IsTruncated") != "true" {
                return Ok(uploads);
            }
            let next = (page.text_of("NextKeyMarker").to_owned(), page.text_of("NextUploadIdMarker").to_owned());
            if next.0.is_empty() || Some(&next) == marker.as_ref() || uploads.len() > LISTED_MAX {
                return Err(Trouble::Odd("it comes to no end"));
            }
            marker = Some(next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_written_as_signatures_want_them() {
        assert_eq!(encoded("a/b c+%é~", true), "a/b%20c%2B%25%C3%A9~");
        assert_eq!(encoded("a/b", false), "a%2Fb");
    }
}
