//! Sources whose files lie in a bucket: their settings checked, and the port of `connect` over the store's door to cloud storage.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use polder_connect::{Bucket, Buckets, Connection, Error, Fault, ObjectSeen, Objects};
use polder_store::{Options, S3Address, S3Place, SourceBucket, SourceObject, Trouble};
use polder_types::ErrorKind;

use crate::project::Project;
use crate::storage::{References, authorities};

/// Reads a source file's text, as [`Connection::parse`] does, and checks the address of its bucket.
///
/// # Errors
/// As [`Connection::parse`].
pub fn parse(yaml: &str, file: &str) -> Result<Connection, Error> {
    let connection = Connection::parse(yaml, file)?;
    if let Some(Err((setting, problem, advice))) = connection.bucket.as_ref().map(address) {
        let line = [format!("{setting}:"), "s3:".to_owned()].iter().find_map(|key| {
            let place = yaml.lines().position(|line| line.trim_start().starts_with(key.as_str()))?;
            u64::try_from(place).ok()?.checked_add(1)
        });
        let problem = format!("`{setting}`: {problem}");
        return Err(Error::Connection { file: file.to_owned(), line: line.unwrap_or(1), problem, advice: advice.to_owned() });
    }
    Ok(connection)
}

/// What is wrong with a setting, and what to write instead.
type WrongSetting = (&'static str, String, &'static str);

/// Where the bucket is. Its prefix may hold what that of a store may not, and is no part of this.
fn address(bucket: &Bucket) -> Result<S3Address, WrongSetting> {
    S3Address::parse(&bucket.name, bucket.endpoint.as_deref(), bucket.region.as_deref(), bucket.plain_loopback).map_err(|wrong| match wrong
        .setting
    {
        "s3" => ("path", wrong.problem, "write s3://BUCKET/PREFIX: a bucket is 3 or more letters, digits, `-`, `_` and `.`"),
        setting => (setting, wrong.problem, wrong.advice),
    })
}

impl Buckets for Project {
    fn open(&self, bucket: &Bucket) -> Result<Arc<dyn Objects>, Fault> {
        let address = address(bucket).map_err(|(setting, problem, advice)| Fault {
            problem: format!("`{setting}`: {problem}"),
            advice: advice.to_owned(),
            kind: ErrorKind::Invalid,
        })?;
        let ca = bucket.ca.as_ref().map(|file| file.display().to_string());
        let ca_pem = authorities(ca.as_deref(), self.dir(), "the source").map_err(|failure| Fault {
            problem: failure.to_string(),
            advice: "correct `ca` of the source".to_owned(),
            kind: failure.kind(),
        })?;
        let references = References {
            access_key_id: bucket.access_key_id.clone(),
            secret_access_key: bucket.secret_access_key.clone(),
            session_token: bucket.session_token.clone(),
            base: self.dir().to_owned(),
        };
        // What is read from it is held in memory, and nowhere else.
        let temporary = PathBuf::new();
        let place = S3Place { address, ca_pem, credentials: Arc::new(references), temporary };
        let opened = SourceBucket::open(place, Options::default()).map_err(|trouble| fault(&trouble))?;
        Ok(Arc::new(Open(opened)))
    }
}

fn fault(trouble: &Trouble) -> Fault {
    Fault { problem: trouble.to_string(), advice: trouble.advice_of_source(), kind: trouble.kind() }
}

/// A bucket of a source, open.
#[derive(Debug)]
struct Open(SourceBucket);

impl Objects for Open {
    fn list(&self, prefix: &str) -> Result<Vec<ObjectSeen>, Fault> {
        let listed = self.0.list(prefix).map_err(|trouble| fault(&trouble))?;
        let seen =
            |object: SourceObject| ObjectSeen { key: object.key, tag: object.tag, size_bytes: object.len, modified_ms: object.modified_ms };
        Ok(listed.into_iter().map(seen).collect())
    }

    fn read(&self, object: &ObjectSeen, range: Range<u64>) -> Result<Option<Bytes>, Fault> {
        let object =
            SourceObject { key: object.key.clone(), tag: object.tag.clone(), len: object.size_bytes, modified_ms: object.modified_ms };
        self.0.read(&object, range).map_err(|trouble| fault(&trouble))
    }

    fn read_max_bytes(&self) -> u64 {
        SourceBucket::READ_MAX_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(path: &str, s3: &str) -> String {
        let keys = "access_key_id: 'env:A', secret_access_key: 'env:B'";
        let text = format!("type: csv\npath: {path}\ns3: {{{s3}, {keys}}}\ndatasets:\n  a: {{file: '*.csv'}}\n");
        parse(&text, "sources/in.yaml").map_or_else(|error| error.to_string(), |connection| format!("{:?}", connection.bucket))
    }

    #[test]
    fn the_address_of_a_bucket_is_that_of_a_store_but_for_its_prefix() {
        assert!(refused("s3://lake/My Exports", "region: eu-west-3").starts_with("Some("));
        assert!(refused("s3://lake/in", "endpoint: 'http://127.0.0.1:9000', plain_loopback: true").starts_with("Some("));
        for (path, s3, wanted) in [
            ("s3://la ke/in", "region: eu-west-3", "line 2: `path`: "),
            ("'s3://AKIA:geheim@lake/in'", "region: eu-west-3", "line 2: `path`: it does not begin with the name of a bucket"),
            ("s3://lake/in", "region: EU", "line 3: `region`: it is not the name of a region"),
            ("s3://lake/in", "endpoint: 'http://minio.example', plain_loopback: true", "line 3: `endpoint`: plain HTTP to minio.example"),
            ("s3://lake/in", "endpoint: 'http://127.0.0.1:9000'", "allow `plain_loopback`"),
            ("s3://lake/in", "endpoint: 'http://169.254.169.254', plain_loopback: true", "plain HTTP to 169.254.169.254"),
            ("s3://lake/in", "endpoint: 'https://AKIA:geheim@minio.example'", "it holds more than scheme, host and port"),
        ] {
            let text = refused(path, s3);
            assert!(text.contains(wanted) && !text.contains("geheim"), "{path} {s3}: {text}");
        }
    }
}
