//! Getting in: the server's greeting, the demand for TLS, and the proof of the password. The password itself leaves this program only
//! over TLS or to this machine, and then only where the server's method asks for it.

use std::io::{Read, Write};

use aws_lc_rs::digest;
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OaepPublicEncryptingKey, PublicEncryptingKey};
use polder_types::Secret;
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;

use super::fault::Fault;
use super::wire::{Fields, Link, refusal};

/// What this client does, and asks of the server. Not among them: files of this machine (LOCAL INFILE), several statements in one
/// command, compression.
const LONG_PASSWORD: u32 = 1;
const LONG_FLAG: u32 = 1 << 2;
const WITH_DATABASE: u32 = 1 << 3;
const PROTOCOL_41: u32 = 1 << 9;
const TLS: u32 = 1 << 11;
const TRANSACTIONS: u32 = 1 << 13;
const SECURE_CONNECTION: u32 = 1 << 15;
const PLUGIN_AUTH: u32 = 1 << 19;
/// What a server must be able to do.
const NEEDED: u32 = PROTOCOL_41 | SECURE_CONNECTION | PLUGIN_AUTH;
/// utf8mb4_general_ci: every server knows it.
const CHARACTERS: u8 = 45;
/// Longest packet that is said to be taken.
const PACKET_MAX_BYTES: u32 = 1 << 30;
/// Bytes of a server's challenge.
const CHALLENGE_BYTES: usize = 20;

/// How a password is proved, of what this client knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Native,
    CachingSha2,
}

impl Method {
    fn of(name: &[u8]) -> Option<Self> {
        match name {
            b"mysql_native_password" => Some(Self::Native),
            b"caching_sha2_password" => Some(Self::CachingSha2),
            _ => None,
        }
    }

    fn name(self) -> &'static [u8] {
        match self {
            Self::Native => b"mysql_native_password",
            Self::CachingSha2 => b"caching_sha2_password",
        }
    }

    /// The proof for a challenge.
    fn proof(self, password: &[u8], challenge: &[u8]) -> Vec<u8> {
        match (password, self) {
            ([], Self::Native) => Vec::new(),
            ([], Self::CachingSha2) => vec![0],
            (_, Self::Native) => {
                let sha1 = |bytes: &[u8]| digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes);
                let once = sha1(password);
                let twice = sha1(once.as_ref());
                mixed(once.as_ref(), sha1(&[challenge, twice.as_ref()].concat()).as_ref())
            }
            (_, Self::CachingSha2) => {
                let sha256 = |bytes: &[u8]| digest::digest(&digest::SHA256, bytes);
                let once = sha256(password);
                let twice = sha256(once.as_ref());
                mixed(once.as_ref(), sha256(&[twice.as_ref(), challenge].concat()).as_ref())
            }
        }
    }
}

fn mixed(one: &[u8], other: &[u8]) -> Vec<u8> {
    one.iter().zip(other.iter().cycle()).map(|(one, other)| one ^ other).collect()
}

/// What a server says before all else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Greeting {
    pub version: String,
    capabilities: u32,
    challenge: Vec<u8>,
    method: Vec<u8>,
}

/// Who gets in.
pub(super) struct Login {
    pub user: String,
    pub password: Secret<String>,
    pub database: Option<String>,
    /// Whether nobody but the server can read what is sent: TLS, or a socket of this machine.
    pub private: bool,
    pub tls: bool,
}

/// Why there is no way in, beside what a server or a stream says.
#[derive(Debug)]
pub(super) enum NoWay {
    Fault(Fault),
    /// The server does not offer TLS.
    WithoutTls,
    /// The server wants a method that is not known here.
    Method(String),
}

impl From<Fault> for NoWay {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

const fn damaged<T>(what: &'static str) -> Result<T, Fault> {
    Err(Fault::Damaged(what))
}

/// Reads the greeting.
pub(super) fn greeting<S: Read + Write>(link: &mut Link<S>) -> Result<Greeting, Fault> {
    let packet = link.packet()?;
    match packet.first() {
        Some(0xff) => return Err(refusal(&packet)),
        Some(10) => {}
        _ => return damaged("no greeting of MySQL"),
    }
    let greeting = parse(&packet).ok_or(Fault::Damaged("the greeting ends too early"))?;
    match greeting.capabilities & NEEDED == NEEDED {
        true => Ok(greeting),
        false => damaged("the server is older than MySQL 5.5"),
    }
}

fn parse(packet: &[u8]) -> Option<Greeting> {
    let mut fields = Fields(packet);
    fields.u8()?;
    let version = String::from_utf8_lossy(fields.until_zero()).into_owned();
    fields.u32()?;
    let mut challenge = fields.take(8)?.to_vec();
    fields.u8()?;
    let low = u32::from(fields.u16()?);
    fields.u8()?;
    fields.u16()?;
    let capabilities = low | (u32::from(fields.u16()?) << 16);
    let told = usize::from(fields.u8()?);
    fields.take(10)?;
    let rest = fields.take(told.saturating_sub(8).max(13).min(fields.0.len()))?;
    challenge.extend_from_slice(rest);
    challenge.truncate(CHALLENGE_BYTES);
    let method = fields.until_zero().to_vec();
    Some(Greeting { version, capabilities, challenge, method })
}

/// Asks for TLS. What comes over the link afterwards is TLS or nothing.
///
/// # Errors
/// When the server does not offer it: nothing is sent then, and nobody goes on in the clear.
pub(super) fn ask_tls<S: Read + Write>(link: &mut Link<S>, greeting: &Greeting, with_database: bool) -> Result<(), NoWay> {
    if greeting.capabilities & TLS == 0 {
        return Err(NoWay::WithoutTls);
    }
    Ok(link.send(&head(true, with_database))?)
}

/// What both the demand for TLS and the answer to the greeting begin with.
fn head(tls: bool, with_database: bool) -> Vec<u8> {
    let mut capabilities = LONG_PASSWORD | LONG_FLAG | PROTOCOL_41 | TRANSACTIONS | SECURE_CONNECTION | PLUGIN_AUTH;
    if tls {
        capabilities |= TLS;
    }
    if with_database {
        capabilities |= WITH_DATABASE;
    }
    let mut packet = capabilities.to_le_bytes().to_vec();
    packet.extend_from_slice(&PACKET_MAX_BYTES.to_le_bytes());
    packet.push(CHARACTERS);
    packet.extend_from_slice(&[0; 23]);
    packet
}

/// Says who it is and proves it.
pub(super) fn log_in<S: Read + Write>(link: &mut Link<S>, greeting: &Greeting, login: &Login) -> Result<(), NoWay> {
    let password = login.password.expose_secret().as_bytes();
    // A method that is not known may only be the server's favourite, and not this account's: the server says so then.
    let mut method = Method::of(&greeting.method).unwrap_or(Method::Native);
    let mut challenge = challenge_of(&greeting.challenge)?;
    let mut packet = head(login.tls, login.database.is_some());
    packet.extend_from_slice(login.user.as_bytes());
    packet.push(0);
    let proof = method.proof(password, &challenge);
    packet.push(u8::try_from(proof.len()).unwrap_or(0));
    packet.extend_from_slice(&proof);
    if let Some(database) = &login.database {
        packet.extend_from_slice(database.as_bytes());
        packet.push(0);
    }
    packet.extend_from_slice(method.name());
    packet.push(0);
    link.send(&packet)?;
    let mut switched = false;
    loop {
        let packet = link.packet()?;
        match packet.split_first() {
            Some((0x00, _)) => return Ok(()),
            Some((0xff, _)) => return Err(refusal(&packet).into()),
            Some((0xfe, [])) => return Err(NoWay::Method("mysql_old_password".to_owned())),
            Some((0xfe, rest)) if !switched => {
                switched = true;
                let mut fields = Fields(rest);
                let name = fields.until_zero();
                method = Method::of(name).ok_or_else(|| NoWay::Method(String::from_utf8_lossy(name).into_owned()))?;
                challenge = challenge_of(fields.0)?;
                link.send(&method.proof(password, &challenge))?;
            }
            Some((0x01, rest)) if method == Method::CachingSha2 => match rest {
                // The server knows the proof from before.
                [3] => {}
                // It wants the password itself.
                [4] if login.private => link.send(&[password, &[0]].concat())?,
                [4] => {
                    link.send(&[2])?;
                    let key = link.packet()?;
                    let Some((0x01, pem)) = key.split_first() else { return Err(Fault::Damaged("no key for the password").into()) };
                    link.send(&sealed(&[password, &[0]].concat(), &challenge, pem)?)?;
                }
                _ => return Err(Fault::Damaged("an unknown step of the login").into()),
            },
            _ => return Err(Fault::Damaged("an unknown step of the login").into()),
        }
    }
}

/// A challenge without the zero behind it.
fn challenge_of(bytes: &[u8]) -> Result<Vec<u8>, Fault> {
    match bytes.split_at_checked(CHALLENGE_BYTES) {
        Some((challenge, [] | [0])) => Ok(challenge.to_vec()),
        _ => damaged("the server's challenge has another length"),
    }
}

/// A password for the holder of a server's key.
fn sealed(password: &[u8], challenge: &[u8], pem: &[u8]) -> Result<Vec<u8>, Fault> {
    let wrong = Fault::Damaged("the key for the password is none");
    let encrypt = || {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem).ok()?;
        let key = OaepPublicEncryptingKey::new(PublicEncryptingKey::from_der(&der).ok()?).ok()?;
        let mut sealed = vec![0; key.ciphertext_size()];
        let length = key.encrypt(&OAEP_SHA1_MGF1SHA1, &mixed(password, challenge), &mut sealed, None).ok()?.len();
        sealed.truncate(length);
        Some(sealed)
    };
    encrypt().ok_or(wrong)
}

#[cfg(test)]
mod tests;
