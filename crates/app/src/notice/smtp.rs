//! A notice as a mail.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use polder_types::{ErrorKind, printable, printable_lines};

use super::{Missed, Notice, Smtp, SmtpTls, TRY, Way, certificates, is_certificate, loopback};
use crate::failure::{Failure, Outcome};
use crate::secret_ref;

/// A mail, ready to be sent.
pub struct Mail {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    message: Message,
    whom: String,
    starttls: bool,
}

impl Mail {
    /// Reads the secrets, and makes the mail of a notice.
    ///
    /// # Errors
    /// When a reference or an address is wrong, or plain SMTP would leave this machine.
    pub fn new(notice: &Notice, smtp: &Smtp, base: &Path) -> Outcome<Self> {
        let whom = format!("the mail server {}", smtp.server);
        let message = message(notice, smtp, &whom)?;
        let (server, tls, port) = if smtp.plain_loopback {
            let address = loopback(&smtp.server).ok_or_else(|| {
                let text = format!(
                    "tell {whom}: `plain_loopback` is for this machine alone, such as 127.0.0.1; remove it, and mail goes over TLS"
                );
                Failure::new(ErrorKind::Invalid, text)
            })?;
            (address.to_string(), Tls::None, 25)
        } else {
            let parameters = parameters(smtp, &whom, base)?;
            match smtp.tls {
                SmtpTls::Starttls => (smtp.server.clone(), Tls::Required(parameters), 587),
                SmtpTls::Tls => (smtp.server.clone(), Tls::Wrapper(parameters), 465),
            }
        };
        // Dangerous is what it begins with, in clear: the line after takes that away.
        let mut transport =
            AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(server).tls(tls).port(smtp.port.unwrap_or(port)).timeout(Some(TRY));
        match (&smtp.user, &smtp.password) {
            (Some(user), Some(password)) => {
                let reading = |failure: Failure| failure.during(format!("tell {whom}"));
                let password = secret_ref::resolve(password, base).map_err(reading)?;
                let user = match secret_ref::is_reference(user) {
                    true => secret_ref::resolve(user, base).map_err(reading)?.expose_secret().clone(),
                    false => user.clone(),
                };
                transport = transport.credentials(Credentials::new(user, password.expose_secret().clone()));
            }
            (None, None) => {}
            _ => {
                let text = format!("tell {whom}: `user` and `password` come together; write both or none");
                return Err(Failure::new(ErrorKind::Invalid, text));
            }
        }
        Ok(Self { transport: transport.build(), message, whom, starttls: !smtp.plain_loopback && smtp.tls == SmtpTls::Starttls })
    }
}

impl Way for Mail {
    fn whom(&self) -> &str {
        &self.whom
    }

    async fn once(&self) -> Result<(), Missed> {
        let Err(error) = self.transport.send(self.message.clone()).await else { return Ok(()) };
        let whom = &self.whom;
        // What a server says is its own, and may repeat what it was sent: its code is told.
        if let Some(code) = error.status() {
            let text = format!(
                "tell {whom}: it answers with code {code}; check `user`, `password`, `from` and `to`, or look there for the reason"
            );
            return Err(Missed { failure: Failure::new(ErrorKind::Unavailable, text), again: error.is_transient() });
        }
        if is_certificate(&error) {
            let text = format!(
                "tell {whom}: its certificate is not trusted, is for another name or is out of date; name the file of its authority as `ca`"
            );
            return Err(Failure::new(ErrorKind::Unavailable, text).into());
        }
        if error.is_client() {
            let why = if self.starttls {
                "it offers no STARTTLS, or no way of logging in that is known"
            } else {
                "it offers no way of logging in that is known"
            };
            let text = format!("tell {whom}: {why}; nothing was sent in clear");
            return Err(Failure::new(ErrorKind::Unavailable, text).into());
        }
        let text = match error.is_timeout() {
            true => format!("tell {whom}: it did not answer in time"),
            false => format!("tell {whom}: no connection, or it broke; check its name, its port and `tls`"),
        };
        Err(Missed::again(Failure::new(ErrorKind::Unavailable, text)))
    }
}

fn parameters(smtp: &Smtp, whom: &str, base: &Path) -> Outcome<TlsParameters> {
    let mut builder = TlsParameters::builder(smtp.server.clone());
    if let Some(ca) = &smtp.ca {
        let text = certificates(ca, base)?;
        let trusted = Certificate::from_pem(text.as_bytes()).ok().filter(|_| text.contains("-----BEGIN CERTIFICATE-----"));
        let trusted = trusted.ok_or_else(|| {
            let text = format!("tell {whom}: {ca} holds no certificate; write those of the authority there, in PEM");
            Failure::new(ErrorKind::Invalid, text)
        })?;
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(trusted);
    }
    builder.build().map_err(|error| Failure::because(ErrorKind::Invalid, format!("tell {whom}: prepare TLS; check `ca`"), &error))
}

/// The message. Its header is made of parsed addresses and of texts in which no line ends.
fn message(notice: &Notice, smtp: &Smtp, whom: &str) -> Outcome<Message> {
    let mailbox = |key: &str, address: &str| {
        // The parser takes what it can, and leaves the rest: a second address, or a line of a header.
        let whole = |mailbox: &Mailbox| {
            let end = address.trim_end().trim_end_matches('>').trim_end();
            end.ends_with(mailbox.email.to_string().as_str()) && !address.chars().any(char::is_control)
        };
        address.parse::<Mailbox>().ok().filter(whole).ok_or_else(|| {
            let text = format!("tell {whom}: an address of `{key}` is none, or more than one; write name@example.org");
            Failure::new(ErrorKind::Invalid, text)
        })
    };
    let from = mailbox("from", &smtp.from)?;
    let id = format!("<{}@{}>", notice.id(), from.email.domain());
    let at = UNIX_EPOCH + Duration::from_millis(u64::try_from(notice.at_ms).unwrap_or_default());
    let subject = format!("Polder: {}", printable(&notice.subject()));
    let mut builder = Message::builder().date(at).message_id(Some(id)).subject(subject).header(ContentType::TEXT_PLAIN).from(from);
    for to in &smtp.to {
        builder = builder.to(mailbox("to", to)?);
    }
    let run = notice.run.map(|run| format!("\nrun: {run}")).unwrap_or_default();
    let details = serde_json::to_string_pretty(&notice.details).unwrap_or_default();
    let body =
        format!("{}\n\nat: {}{run}\n\n{}\n", printable_lines(&notice.text), crate::print::time(notice.at_ms), printable_lines(&details));
    builder.body(body).map_err(|error| Failure::because(ErrorKind::Invalid, format!("tell {whom}: write the mail"), &error))
}

#[cfg(test)]
pub(super) fn formatted(notice: &Notice, smtp: &Smtp) -> Outcome<String> {
    message(notice, smtp, "").map(|message| String::from_utf8_lossy(&message.formatted()).into_owned())
}
