//! An S3 that a store or a source lies on: moto's server.

use std::path::Path;
use std::process::Command;

use rustix::process::Signal;

use super::certificates::{Certificates, Tls};
use super::home::Home;
use super::judge;
use super::running::{Running, finished};

const PYTHON: &str = "POLDER_JUDGE_MOTO_PYTHON";

/// An empty server. It takes every key for a right one and holds objects in its memory.
pub struct Moto {
    _running: Running,
    port: u16,
    url: String,
    certificates: Certificates,
    /// Keeps the files of the certificate.
    _home: Home,
}

impl Moto {
    /// One without TLS.
    pub fn start() -> Self {
        Self::with(Tls::Off)
    }

    /// One that presents this certificate.
    pub fn with(tls: Tls) -> Self {
        let home = Home::new();
        let certificates = Certificates::new(&home, tls);
        let mut command = home.command(&judge(PYTHON).with_file_name("moto_server"), "KILL");
        command.args(["-H", "127.0.0.1", "-p", "0"]);
        let mut scheme = "http";
        if let Some(pair) = certificates.pair() {
            command.arg("-c").arg(&pair.certificate).arg("-k").arg(&pair.key);
            scheme = "https";
        }
        let (running, port) = Running::start(command, Signal::KILL, |line| {
            let (_, port) = line.split_once("Running on ")?.1.rsplit_once(':')?;
            port.trim_end().parse::<u16>().ok()
        });
        Self { _running: running, port, url: format!("{scheme}://localhost:{port}"), certificates, _home: home }
    }

    /// `http://localhost:PORT`, or `https`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it listens on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The certificate of the authority that a client is to trust.
    pub fn ca_file(&self) -> &Path {
        self.certificates.ca_file()
    }

    /// Makes an empty bucket.
    #[track_caller]
    pub fn bucket(&self, name: &str) {
        finished(&mut self.boto("s3.create_bucket(Bucket=sys.argv[3])", &[name]));
    }

    /// The keys of all objects of a bucket, sorted.
    #[track_caller]
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        let list = "for page in s3.get_paginator('list_objects_v2').paginate(Bucket=sys.argv[3]):\n    for object in page.get('Contents', []):\n        print(object['Key'])";
        finished(&mut self.boto(list, &[bucket])).lines().map(str::to_owned).collect()
    }

    /// An object's bytes.
    #[track_caller]
    pub fn object(&self, bucket: &str, key: &str) -> Vec<u8> {
        let get = "sys.stdout.buffer.write(s3.get_object(Bucket=sys.argv[3], Key=sys.argv[4])['Body'].read())";
        let output = self.boto(get, &[bucket, key]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Puts an object there, as others do.
    #[track_caller]
    pub fn put(&self, bucket: &str, key: &str, file: &Path) {
        finished(self.boto("s3.upload_file(sys.argv[5], sys.argv[3], sys.argv[4])", &[bucket, key]).arg(file));
    }

    /// Puts all files of a directory there, each under a prefix and its name.
    #[track_caller]
    pub fn put_all(&self, bucket: &str, prefix: &str, dir: &Path) {
        let put = "import pathlib\nfor file in sorted(pathlib.Path(sys.argv[5]).iterdir()):\n    s3.put_object(Bucket=sys.argv[3], Key=sys.argv[4] + file.name, Body=file.read_bytes())";
        finished(self.boto(put, &[bucket, prefix]).arg(dir));
    }

    /// Amazon's own client with a line of Python.
    fn boto(&self, line: &str, args: &[&str]) -> Command {
        let program = format!(
            "import boto3, sys\ns3 = boto3.client('s3', endpoint_url=sys.argv[1], verify=sys.argv[2], region_name='us-east-1', \
             aws_access_key_id='test', aws_secret_access_key='test')\n{line}"
        );
        let mut python = Command::new(judge(PYTHON));
        python.env_clear().args(["-I", "-c", &program, &self.url]).arg(self.ca_file()).args(args);
        python
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::ran;

    #[test]
    fn objects_are_put_listed_and_read_with_and_without_tls() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"\x00\xffbytes").unwrap();
        for (server, scheme) in [(Moto::start(), "http://"), (Moto::with(Tls::Trusted), "https://")] {
            assert!(server.url().starts_with(scheme), "{}", server.url());
            server.bucket("lake");
            assert_eq!(server.keys("lake"), Vec::<String>::new());
            server.put("lake", "b/c", file.path());
            server.put("lake", "a", file.path());
            assert_eq!(server.keys("lake"), ["a", "b/c"]);
            assert_eq!(server.object("lake", "b/c"), b"\x00\xffbytes");
        }
    }

    #[test]
    fn s3_presents_what_a_client_has_to_refuse() {
        for tls in [Tls::OtherHost, Tls::Expired, Tls::SelfSigned] {
            let server = Moto::with(tls);
            let err = ran(server.boto("s3.list_buckets()", &[]).output().unwrap()).fails(1);
            assert!(err.contains("SSL validation failed"), "{tls:?}: {err}");
        }
    }
}
