//! The server's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), as far as it is messages: what is proved is judged by `Accounts`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;

use crate::ports::{Challenge, ScramProof};

/// The mechanism that binds the proof to the TLS connection.
pub const PLUS: &str = "SCRAM-SHA-256-PLUS";
/// The mechanism that does not.
pub const PLAIN: &str = "SCRAM-SHA-256";

/// Why an exchange is broken off, as a word for records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// A message is not well-formed, or asks for what is not here.
    Message,
    /// The other side believes that this server cannot bind channels, though it was told so: someone between took it away.
    Downgrade,
    /// The proof is bound to another connection than this.
    Channel,
}

impl Broken {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Message => "scram_message",
            Self::Downgrade => "scram_downgrade",
            Self::Channel => "scram_channel",
        }
    }
}

/// The first message of a client.
#[derive(Debug)]
pub struct ClientFirst {
    /// What it says of channel binding, with its commas: `n,,`, or `p=tls-server-end-point,,`.
    header: String,
    bare: String,
    nonce: String,
    bound: bool,
}

/// Reads the first message of a client for a mechanism. `binds` says whether binding was offered: not every certificate has a hash for it.
///
/// # Errors
/// When it is not well-formed, asks to act for another, or says of channel binding what does not go with the mechanism.
pub fn client_first(mechanism: &str, message: &[u8], binds: bool) -> Result<ClientFirst, Broken> {
    let message = std::str::from_utf8(message).map_err(|_| Broken::Message)?;
    let mut parts = message.splitn(3, ',');
    let (flag, authorised, bare) = (part(&mut parts)?, part(&mut parts)?, part(&mut parts)?);
    let bound = match (mechanism, flag) {
        (PLUS, "p=tls-server-end-point") if binds => true,
        (PLAIN, "n") => false,
        // It could bind, and believes that this server cannot: but that was offered.
        (PLAIN, "y") if binds => return Err(Broken::Downgrade),
        (PLAIN, "y") => false,
        _ => return Err(Broken::Message),
    };
    // To sign in as one and act as another is not there.
    if !authorised.is_empty() {
        return Err(Broken::Message);
    }
    let mut attributes = bare.split(',');
    // The name stands in the startup packet, and clients send none or any here; extensions that must be understood come first, as `m=`.
    let name = part(&mut attributes)?.strip_prefix("n=").ok_or(Broken::Message)?;
    let well_formed = name.split('=').skip(1).all(|rest| rest.starts_with("2C") || rest.starts_with("3D"));
    let nonce = part(&mut attributes)?.strip_prefix("r=").ok_or(Broken::Message)?;
    let printable = nonce.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
    if !well_formed || nonce.is_empty() || nonce.len() > 512 || !printable {
        return Err(Broken::Message);
    }
    Ok(ClientFirst { header: format!("{flag},,"), bare: bare.to_owned(), nonce: nonce.to_owned(), bound })
}

fn part<'a>(parts: &mut impl Iterator<Item = &'a str>) -> Result<&'a str, Broken> {
    parts.next().ok_or(Broken::Message)
}

/// An exchange after the server's first message.
#[derive(Debug)]
pub struct Exchange {
    first: ClientFirst,
    nonce: String,
    /// The server's first message.
    pub server_first: String,
}

impl Exchange {
    /// Answers the first message with a challenge; `random` is 18 bytes or more that nobody can guess.
    pub fn new(first: ClientFirst, random: &[u8], challenge: &Challenge) -> Self {
        let nonce = format!("{}{}", first.nonce, STANDARD.encode(random));
        let server_first = format!("r={nonce},s={},i={}", STANDARD.encode(&challenge.salt), challenge.iterations);
        Self { first, nonce, server_first }
    }

    /// Reads the last message of a client. `end_point` is the hash of the certificate that was shown to it.
    ///
    /// # Errors
    /// When it is not well-formed, or bound to another connection.
    pub fn client_final(self, message: &[u8], end_point: &[u8], name: &str) -> Result<ScramProof, Broken> {
        let message = std::str::from_utf8(message).map_err(|_| Broken::Message)?;
        // The proof comes last.
        let (without_proof, proof) = message.rsplit_once(",p=").ok_or(Broken::Message)?;
        let mut attributes = without_proof.split(',');
        let channel = part(&mut attributes)?.strip_prefix("c=").ok_or(Broken::Message)?;
        let nonce = part(&mut attributes)?.strip_prefix("r=").ok_or(Broken::Message)?;
        let channel = STANDARD.decode(channel).map_err(|_| Broken::Message)?;
        let mut expected = self.first.header.clone().into_bytes();
        if self.first.bound {
            expected.extend_from_slice(end_point);
        }
        if !bool::from(channel.ct_eq(&expected)) {
            return Err(Broken::Channel);
        }
        if !bool::from(nonce.as_bytes().ct_eq(self.nonce.as_bytes())) {
            return Err(Broken::Message);
        }
        let proof = STANDARD.decode(proof).ok().filter(|proof| proof.len() == 32).ok_or(Broken::Message)?;
        let auth_message = format!("{},{},{without_proof}", self.first.bare, self.server_first);
        Ok(ScramProof { name: name.to_owned(), auth_message, proof })
    }
}

/// The last message of the server.
pub fn server_final(signature: &[u8]) -> String {
    format!("v={}", STANDARD.encode(signature))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn exchange(mechanism: &str, first: &str) -> Exchange {
        let challenge = Challenge { salt: STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap(), iterations: 4_096 };
        Exchange::new(client_first(mechanism, first.as_bytes(), true).unwrap(), &[7; 18], &challenge)
    }

    #[test]
    fn the_messages_are_those_of_the_rfc() {
        let exchange = exchange(PLAIN, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let nonce = exchange.nonce.clone();
        assert!(
            exchange.server_first.starts_with("r=rOprNGfwEbeRWgbNEkqO")
                && exchange.server_first.ends_with(",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")
        );
        let server_first = exchange.server_first.clone();
        let last = format!("c=biws,r={nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        let proof = exchange.client_final(last.as_bytes(), b"", "user").unwrap();
        assert_eq!(proof.auth_message, format!("n=user,r=rOprNGfwEbeRWgbNEkqO,{server_first},c=biws,r={nonce}"));
        assert_eq!((proof.proof.len(), proof.name.as_str()), (32, "user"));
    }

    #[test]
    fn what_does_not_go_with_the_mechanism_is_refused() {
        for (mechanism, first, broken) in [
            (PLAIN, "y,,n=,r=abc", Broken::Downgrade),
            (PLAIN, "p=tls-server-end-point,,n=,r=abc", Broken::Message),
            (PLUS, "n,,n=,r=abc", Broken::Message),
            (PLUS, "y,,n=,r=abc", Broken::Message),
            (PLUS, "p=tls-unique,,n=,r=abc", Broken::Message),
            (PLAIN, "n,a=root,n=,r=abc", Broken::Message),
            (PLAIN, "n,,m=x,n=,r=abc", Broken::Message),
            (PLAIN, "n,,n=a=2,r=abc", Broken::Message),
            (PLAIN, "n,,n=,r=", Broken::Message),
            (PLAIN, "n,,n=,r=a\u{7f}", Broken::Message),
            (PLAIN, "n,,n=", Broken::Message),
            (PLAIN, "", Broken::Message),
            ("SCRAM-SHA-1", "n,,n=,r=abc", Broken::Message),
        ] {
            assert_eq!(client_first(mechanism, first.as_bytes(), true).unwrap_err(), broken, "{mechanism} {first}");
        }
        assert!(client_first(PLAIN, b"n,,n=a=2Cb,r=abc", true).is_ok());
        // Where binding was not offered, a client that could bind says so rightly, and one that binds to nothing is refused.
        assert!(client_first(PLAIN, b"y,,n=,r=abc", false).is_ok());
        assert_eq!(client_first(PLUS, b"p=tls-server-end-point,,n=,r=abc", false).unwrap_err(), Broken::Message);
    }

    #[test]
    fn a_proof_is_for_this_connection_and_this_exchange() {
        let proof = STANDARD.encode([7; 32]);
        let bound = |end_point: &[u8]| STANDARD.encode([b"p=tls-server-end-point,,".as_slice(), end_point].concat());
        let finish = |change: &dyn Fn(String) -> String| {
            let exchange = exchange(PLUS, "p=tls-server-end-point,,n=,r=abc");
            let last = change(format!("c={},r={},p={proof}", bound(b"here"), exchange.nonce));
            exchange.client_final(last.as_bytes(), b"here", "ann")
        };
        assert!(finish(&|last| last).is_ok());
        assert_eq!(finish(&|last| last.replace(&bound(b"here"), &bound(b"there"))).unwrap_err(), Broken::Channel);
        assert_eq!(finish(&|last| last.replace(&bound(b"here"), "biws")).unwrap_err(), Broken::Channel);
        assert_eq!(finish(&|last| last.replace("r=abc", "r=abd")).unwrap_err(), Broken::Message);
        assert_eq!(finish(&|last| last.replace(&proof, &STANDARD.encode([7; 31]))).unwrap_err(), Broken::Message);
        assert_eq!(finish(&|last| last.replace(",p=", ",q=")).unwrap_err(), Broken::Message);
    }

    proptest! {
        #[test]
        fn no_message_breaks_the_exchange(first in "[nyp=,a-zA-Z0-9+/-]{0,40}", last in "[crp=,a-zA-Z0-9+/]{0,60}") {
            let _ = client_first(PLAIN, first.as_bytes(), true);
            let _ = client_first(PLUS, first.as_bytes(), true);
            let _ = exchange(PLAIN, "n,,n=,r=abc").client_final(last.as_bytes(), b"", "ann");
        }
    }
}
