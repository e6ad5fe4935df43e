//! Messages of clients, from bytes. The types are pgwire's; they are read here, since its own readers panic on messages that are cut short, look
//! into the message after, and change what is not UTF-8.

use bytes::{Buf, Bytes, BytesMut};
use pgwire::messages::extendedquery::{Bind, Close, Describe, Execute, Parse};

use crate::postgres::error::{Stop, violation};

/// The longest packet before someone is signed in.
pub const STARTUP_BYTES: usize = 10_000;

const CANCEL: u32 = 80_877_102;
const SSL: u32 = 80_877_103;
const GSS: u32 = 80_877_104;

/// The first packet of a connection, or one of the first.
#[derive(Debug, PartialEq, Eq)]
pub enum First {
    /// Asks for TLS.
    Ssl,
    /// Asks for encryption by GSSAPI.
    Gss,
    /// Asks that what another connection runs be stopped.
    Cancel {
        /// The number of the other connection.
        number: i32,
        /// Its key.
        key: Vec<u8>,
    },
    /// Says who asks.
    Startup(Startup),
}

/// Who asks, and how.
#[derive(Debug, PartialEq, Eq)]
pub struct Startup {
    /// The major version of the protocol.
    pub major: u16,
    /// The minor version.
    pub minor: u16,
    /// What was said, in order.
    pub parameters: Vec<(String, String)>,
}

impl Startup {
    /// The last value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().rev().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// The length of a first packet, from its first four bytes: of what comes after them.
///
/// # Errors
/// When no such packet has that length.
pub fn first_length(bytes: [u8; 4]) -> Result<usize, Stop> {
    let length = u32::from_be_bytes(bytes);
    match usize::try_from(length) {
        Ok(length @ 8..=STARTUP_BYTES) => Ok(length - 4),
        _ => Err(violation("read the first packet: its length is none of a client of PostgreSQL")),
    }
}

/// Reads a first packet, after its length.
///
/// # Errors
/// When it is not well-formed.
pub fn first(body: &[u8]) -> Result<First, Stop> {
    let broken = || violation("read the first packet: it is not well-formed");
    let (code, mut rest) = body.split_first_chunk::<4>().ok_or_else(broken)?;
    let code = u32::from_be_bytes(*code);
    match code {
        SSL | GSS if !rest.is_empty() => Err(broken()),
        SSL => Ok(First::Ssl),
        GSS => Ok(First::Gss),
        CANCEL => {
            let (number, key) = rest.split_first_chunk::<4>().ok_or_else(broken)?;
            if !(4..=256).contains(&key.len()) {
                return Err(broken());
            }
            Ok(First::Cancel { number: i32::from_be_bytes(*number), key: key.to_vec() })
        }
        version => {
            let mut parameters = Vec::new();
            // Names and values, then an empty name, then nothing.
            loop {
                let name = string(&mut rest).ok_or_else(broken)?;
                if name.is_empty() {
                    break;
                }
                parameters.push((name, string(&mut rest).ok_or_else(broken)?));
            }
            if !rest.is_empty() {
                return Err(broken());
            }
            let [major, minor] = [version >> 16, version & 0xffff].map(|part| u16::try_from(part).unwrap_or(u16::MAX));
            Ok(First::Startup(Startup { major, minor, parameters }))
        }
    }
}

/// Text up to a NUL, which goes with it.
fn string(rest: &mut &[u8]) -> Option<String> {
    let at = rest.iter().position(|byte| *byte == 0)?;
    let text = std::str::from_utf8(rest.get(..at)?).ok()?.to_owned();
    *rest = rest.get(at + 1..)?;
    Some(text)
}

/// A message of a signed-in client, or of one that signs in.
#[derive(Debug)]
pub enum Message {
    /// An answer to what sign-in asks; what it holds depends on that.
    Password(Bytes),
    /// A simple query.
    Query(String),
    Parse(Parse),
    Bind(Bind),
    Describe(Describe),
    Execute(Execute),
    Close(Close),
    Flush,
    Sync,
    Terminate,
    /// A call of a function by its number.
    FunctionCall,
    /// Rows for a COPY that there is none of.
    Copy,
}

/// Takes a whole message from what was received; none where it is not all there yet. What it says of its length is judged before more is taken.
///
/// # Errors
/// When it is of no known kind, too long, or not well-formed.
pub fn take(buffer: &mut BytesMut, longest: usize) -> Result<Option<Message>, Stop> {
    let Some(&tag) = buffer.first() else { return Ok(None) };
    if !b"pQPBDECHSXFdcf".contains(&tag) {
        return Err(violation("read a message: it is of no kind that the protocol knows"));
    }
    let Some(length) = buffer.get(1..5).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes) else { return Ok(None) };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length < 4 {
        return Err(violation("read a message: its length is less than that of the length itself"));
    }
    if length > longest {
        return Err(violation(format!("read a message: it is longer than the limit of {longest} bytes; send less at a time")));
    }
    if buffer.len() <= length {
        return Ok(None);
    }
    let mut message = buffer.split_to(length + 1).freeze();
    message.advance(5);
    match read(tag, message) {
        Some(message) => Ok(Some(message)),
        None => Err(violation("read a message: it is not well-formed, or its text is not UTF-8")),
    }
}

fn read(tag: u8, mut body: Bytes) -> Option<Message> {
    let message = match tag {
        b'p' => return Some(Message::Password(body)),
        // Nothing of these is used: what they hold is not looked at.
        b'd' | b'c' | b'f' => return Some(Message::Copy),
        b'F' => return Some(Message::FunctionCall),
        b'Q' => Message::Query(text(&mut body)?),
        b'P' => {
            let (name, query) = (text(&mut body)?, text(&mut body)?);
            let count = body.try_get_u16().ok()?;
            let mut types = Vec::new();
            for _ in 0..count {
                types.push(body.try_get_u32().ok()?);
            }
            Message::Parse(Parse::new(Some(name), query, types))
        }
        b'B' => {
            let (portal, statement) = (text(&mut body)?, text(&mut body)?);
            let formats = formats(&mut body)?;
            let count = body.try_get_u16().ok()?;
            let mut values = Vec::new();
            for _ in 0..count {
                let length = body.try_get_i32().ok()?;
                values.push(match length {
                    -1 => None,
                    length => {
                        let length = usize::try_from(length).ok().filter(|length| *length <= body.len())?;
                        Some(body.split_to(length))
                    }
                });
            }
            Message::Bind(Bind::new(Some(portal), Some(statement), formats, values, self::formats(&mut body)?))
        }
        b'D' => {
            let (kind, name) = named(&mut body)?;
            Message::Describe(Describe::new(kind, Some(name)))
        }
        b'C' => {
            let (kind, name) = named(&mut body)?;
            Message::Close(Close::new(kind, Some(name)))
        }
        b'E' => {
            let name = text(&mut body)?;
            Message::Execute(Execute::new(Some(name), body.try_get_i32().ok()?))
        }
        b'H' => Message::Flush,
        b'S' => Message::Sync,
        b'X' => Message::Terminate,
        _ => return None,
    };
    body.is_empty().then_some(message)
}

/// Text up to a NUL, taken with it.
fn text(body: &mut Bytes) -> Option<String> {
    let at = body.iter().position(|byte| *byte == 0)?;
    let text = body.split_to(at);
    body.advance(1);
    String::from_utf8(text.into()).ok()
}

fn formats(body: &mut Bytes) -> Option<Vec<i16>> {
    let count = body.try_get_u16().ok()?;
    let mut formats = Vec::new();
    for _ in 0..count {
        // 0 is text, 1 is binary; there are no others.
        formats.push(body.try_get_i16().ok().filter(|format| matches!(format, 0 | 1))?);
    }
    Some(formats)
}

fn named(body: &mut Bytes) -> Option<(u8, String)> {
    let kind = body.try_get_u8().ok().filter(|kind| matches!(kind, b'S' | b'P'))?;
    Some((kind, text(body)?))
}

/// What a client begins a SASL exchange with: the mechanism and the first message.
pub fn sasl_initial(mut body: Bytes) -> Option<(String, Bytes)> {
    let mechanism = text(&mut body)?;
    let length = usize::try_from(body.try_get_i32().ok()?).ok()?;
    (body.len() == length).then_some((mechanism, body))
}

/// A password, as it is sent without SASL.
pub fn password(mut body: Bytes) -> Option<String> {
    let password = text(&mut body)?;
    body.is_empty().then_some(password)
}

#[cfg(test)]
mod tests {
    use pgwire::messages::Message as _;
    use proptest::prelude::*;

    use super::*;

    fn taken(bytes: &[u8]) -> Result<Option<Message>, Stop> {
        take(&mut BytesMut::from(bytes), 1_000)
    }

    #[test]
    fn what_pgwire_writes_is_read() {
        let mut out = BytesMut::new();
        let parse = Parse::new(Some("s".to_owned()), "select $1".to_owned(), vec![23]);
        let bind =
            Bind::new(Some(String::new()), Some("s".to_owned()), vec![1], vec![Some(Bytes::from_static(b"\0\0\0\x01")), None], vec![0]);
        parse.encode(&mut out).unwrap();
        bind.encode(&mut out).unwrap();
        Execute::new(Some(String::new()), 5).encode(&mut out).unwrap();
        assert!(matches!(take(&mut out, 1_000).unwrap(), Some(Message::Parse(read)) if read == parse));
        assert!(matches!(take(&mut out, 1_000).unwrap(), Some(Message::Bind(read)) if read == bind));
        assert!(matches!(take(&mut out, 1_000).unwrap(), Some(Message::Execute(read)) if read.max_rows == 5));
        assert!(out.is_empty() && take(&mut out, 1_000).unwrap().is_none());
    }

    #[test]
    fn what_is_not_well_formed_is_refused_before_it_is_held() {
        // No such kind, and lengths that are too short, negative and too long, told by the head alone.
        for head in [&b"?"[..], b"Q\0\0\0\x03", b"Q\xff\xff\xff\xff", b"Q\0\0\x03\xe9"] {
            assert!(matches!(taken(head), Err(Stop::Fatal(fault)) if fault.sqlstate() == "08P01"), "{head:?}");
        }
        assert!(taken(b"Q\0\0\x03\xe8").unwrap().is_none());
        for broken in [
            &b"Q\0\0\0\x06ab"[..],
            b"Q\0\0\0\x08ab\0c",
            b"Q\0\0\0\x06\xff\0",
            b"S\0\0\0\x05x",
            b"P\0\0\0\x08a\0b\0",
            b"P\0\0\0\x0aa\0b\0\xff\xff",
            b"B\0\0\0\x0c\0\0\0\0\0\0\xff\xff",
            b"B\0\0\0\x10\0\0\0\0\0\x01\x7f\xff\xff\xff\0\0",
            b"B\0\0\0\x10\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0",
            b"B\0\0\0\x0c\0\0\0\x01\0\x02\0\0",
            b"D\0\0\0\x06X\0",
            b"E\0\0\0\x07\0\0\0",
        ] {
            assert!(taken(broken).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn first_packets_are_bounded_and_exact() {
        for length in [0_u32, 7, 10_001, u32::MAX] {
            assert!(first_length(length.to_be_bytes()).is_err());
        }
        assert_eq!((first_length([0, 0, 0, 8]).unwrap(), first_length(10_000_u32.to_be_bytes()).unwrap()), (4, 9_996));
        assert_eq!(first(&SSL.to_be_bytes()).unwrap(), First::Ssl);
        let startup = first(b"\0\x03\0\0user\0ann\0database\0\0\0").unwrap();
        let First::Startup(startup) = startup else { panic!("{startup:?}") };
        assert_eq!((startup.get("user"), startup.get("database"), startup.minor), (Some("ann"), Some(""), 0));
        for broken in [
            &b""[..],
            b"\0\x03\0\0",
            b"\0\x03\0\0user\0ann\0",
            b"\0\x03\0\0user\0ann\0\0x",
            b"\x04\xd2\x16\x2fx",
            b"\x04\xd2\x16\x2e\0\0\0\0abc",
        ] {
            assert!(first(broken).is_err(), "{broken:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reader(head in prop::sample::select(b"pQPBDECHSXFdcf?".to_vec()), length in 0_u32..80, body in prop::collection::vec(any::<u8>(), 0..80)) {
            let mut bytes = BytesMut::new();
            bytes.extend_from_slice(&[head]);
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(&body);
            let before = bytes.len();
            if let Ok(Some(_)) = take(&mut bytes, 64) {
                prop_assert_eq!(before - bytes.len(), length as usize + 1);
            }
            let _ = first(&body);
            let body = Bytes::from(body);
            let _ = (sasl_initial(body.clone()), password(body));
        }
    }
}
