//! A web server that a notice is sent to.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::certificates::{Certificates, Tls};
use super::home::Home;

/// For a client that sends less than it said.
const READ_MS_MAX: u64 = 10_000;

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    /// With the query.
    pub path: String,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    /// The value of a header, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// A server that remembers each request and answers it with a status and nothing else.
pub struct Webhook {
    url: String,
    port: u16,
    seen: Arc<Mutex<Vec<Request>>>,
    ends: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
    certificates: Certificates,
    /// Keeps the files of the certificate.
    _home: Home,
}

impl Webhook {
    /// One that is to be trusted and answers 200.
    pub fn start() -> Self {
        Self::with(Tls::Trusted, &[200])
    }

    /// One that answers the first request with the first status, and so on; the last status goes to all that follow.
    pub fn with(tls: Tls, statuses: &[u16]) -> Self {
        let home = Home::new();
        let certificates = Certificates::new(&home, tls);
        let config = certificates.pair().map(|pair| {
            let chain = CertificateDer::pem_file_iter(&pair.certificate).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
            let key = PrivateKeyDer::from_pem_file(&pair.key).unwrap();
            let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
            let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
            Arc::new(config.with_single_cert(chain, key).unwrap())
        });
        let scheme = if config.is_some() { "https" } else { "http" };
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        let (seen, ends) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (to, until, statuses) = (seen.clone(), ends.clone(), statuses.to_vec());
        let listener = std::thread::spawn(move || {
            for stream in socket.incoming() {
                if until.load(Ordering::SeqCst) {
                    return;
                }
                // Who does not trust this server goes away in the middle.
                let _ = answer(stream.unwrap(), config.clone(), &to, &statuses);
            }
        });
        Self { url: format!("{scheme}://localhost:{port}"), port, seen, ends, listener: Some(listener), certificates, _home: home }
    }

    /// `https://localhost:PORT`, or `http`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The certificate of the authority that a client is to trust.
    pub fn ca_file(&self) -> &Path {
        self.certificates.ca_file()
    }

    /// What has come, in that order. A request is here before its sender gets the answer.
    pub fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        // It waits for the next one to come.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        let _ = self.listener.take().map(JoinHandle::join);
    }
}

fn answer(stream: TcpStream, tls: Option<Arc<ServerConfig>>, seen: &Mutex<Vec<Request>>, statuses: &[u16]) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_millis(READ_MS_MAX)))?;
    match tls {
        None => exchange(stream, seen, statuses),
        Some(config) => exchange(StreamOwned::new(ServerConnection::new(config).map_err(std::io::Error::other)?, stream), seen, statuses),
    }
}

/// One request on each connection.
fn exchange(stream: impl Read + Write, seen: &Mutex<Vec<Request>>, statuses: &[u16]) -> std::io::Result<()> {
    let broken = || std::io::Error::other("this is no request");
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if !line.ends_with('\n') {
            return Err(broken());
        }
        if line.trim_end().is_empty() {
            break;
        }
        head.push(line.trim_end().to_owned());
    }
    let mut first = head.first().ok_or_else(broken)?.split(' ');
    let (method, path) = first.next().zip(first.next()).ok_or_else(broken)?;
    let headers = head.iter().skip(1).filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
    let mut request = Request { method: method.to_owned(), path: path.to_owned(), headers, body: Vec::new() };
    let length = request.header("content-length").map_or(Ok(0), |length| length.parse().map_err(|_| broken()))?;
    request.body.resize(length, 0);
    reader.read_exact(&mut request.body)?;
    let status = {
        let mut seen = seen.lock().unwrap();
        seen.push(request);
        *statuses.get(seen.len() - 1).or(statuses.last()).unwrap()
    };
    let mut stream = reader.into_inner();
    write!(stream, "HTTP/1.1 {status} Status\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
    stream.flush()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::harness::{Ran, ran};
    use crate::servers::judge;

    const CLIENT: &str = r"
import ssl, sys, urllib.error, urllib.request
url, ca = sys.argv[1:]
request = urllib.request.Request(url + '/hook?a=b', data=b'\x00body', headers={'X-Signature': 'x: y'})
try:
    print(urllib.request.urlopen(request, context=ssl.create_default_context(cafile=ca)).status)
except urllib.error.HTTPError as error:
    print(error.code)
";

    fn client(server: &Webhook) -> Ran {
        let mut python = Command::new(judge("POLDER_JUDGE_SMTP_PYTHON"));
        ran(python.args(["-I", "-c", CLIENT, server.url()]).arg(server.ca_file()).output().unwrap())
    }

    #[test]
    fn requests_are_kept_whole_and_answered_in_turn() {
        for (tls, scheme) in [(Tls::Trusted, "https://"), (Tls::Off, "http://")] {
            let server = Webhook::with(tls, &[503, 200]);
            assert!(server.url().starts_with(scheme));
            let answers: Vec<String> = (0..3).map(|_| client(&server).ok()).collect();
            assert_eq!(answers, ["503\n", "200\n", "200\n"]);
            let requests = server.requests();
            assert_eq!(requests.len(), 3);
            let first = &requests[0];
            assert_eq!((first.method.as_str(), first.path.as_str()), ("POST", "/hook?a=b"));
            assert_eq!(first.header("x-signature"), Some("x: y"));
            assert_eq!(first.header("absent"), None);
            assert_eq!(first.body, b"\x00body");
        }
        let server = Webhook::start();
        assert_eq!(client(&server).ok(), "200\n");
    }

    #[test]
    fn a_webhook_presents_what_a_client_has_to_refuse() {
        for tls in [Tls::OtherHost, Tls::Expired, Tls::SelfSigned] {
            let server = Webhook::with(tls, &[200]);
            let err = client(&server).fails(1);
            assert!(err.contains("CERTIFICATE_VERIFY_FAILED"), "{tls:?}: {err}");
            assert_eq!(server.requests(), []);
        }
    }
}
