//! A mail server that a notice is sent to: aiosmtpd.

use std::path::Path;

use rustix::process::Signal;

use super::certificates::{Certificates, Tls};
use super::home::Home;
use super::running::Running;
use super::{PASSWORD, USER, judge};

/// How a connection begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// In clear; the server takes nothing before STARTTLS.
    StartTls,
    /// With TLS from the first byte on.
    Implicit,
    /// In clear; the server offers no STARTTLS, and takes mail and a password all the same.
    Plain,
}

/// A server that takes mail from everyone, and from who gives a name only when that is the user `polder` with the right password.
pub struct Smtp {
    _running: Running,
    port: u16,
    certificates: Certificates,
    home: Home,
}

impl Smtp {
    /// One that insists on STARTTLS, and is to be trusted.
    pub fn start() -> Self {
        Self::with(Transport::StartTls, Tls::Trusted)
    }

    /// One that presents this certificate.
    pub fn with(transport: Transport, tls: Tls) -> Self {
        let home = Home::new();
        let certificates = Certificates::new(&home, tls);
        let mut command = home.command(&judge("POLDER_JUDGE_SMTP_PYTHON"), "KILL");
        command.args(["-I", "-c", include_str!("smtp.py"), &format!("{transport:?}")]);
        command.arg(home.path("mail")).args([USER, PASSWORD]);
        if let Some(pair) = certificates.pair().filter(|_| transport != Transport::Plain) {
            command.args([&pair.certificate, &pair.key]);
        }
        let (running, port) = Running::start(command, Signal::KILL, |line| line.strip_prefix("port ")?.parse().ok());
        Self { _running: running, port, certificates, home }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The certificate of the authority that a client is to trust.
    pub fn ca_file(&self) -> &Path {
        self.certificates.ca_file()
    }

    /// What was taken, in that order: each message with its header, and with `X-MailFrom` and `X-RcptTo` for its envelope. A message is
    /// here before its sender hears that it was taken.
    pub fn messages(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.home.path("mail/new")).unwrap().map(|entry| entry.unwrap().path());
        let mut messages: Vec<(u64, String)> = files
            .map(|file| {
                // SECONDS.MmicrosecondsPprocessQnumber.HOST
                let (_, number) = file.file_name().unwrap().to_str().unwrap().split_once('Q').unwrap();
                (number.split('.').next().unwrap().parse().unwrap(), std::fs::read_to_string(&file).unwrap())
            })
            .collect();
        messages.sort();
        messages.into_iter().map(|(_, message)| message).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::harness::{Ran, ran};

    /// Python's own client sends two mails: with the named transport, checking the certificate, and with a password.
    const CLIENT: &str = r"
import smtplib, ssl, sys
how, port, ca, password = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
if how == 'Implicit':
    client = smtplib.SMTP_SSL('localhost', int(port), context=context)
else:
    client = smtplib.SMTP('localhost', int(port))
if how == 'StartTls':
    client.starttls(context=context)
if password:
    client.login('polder', password)
for text in ['first', 'second']:
    client.sendmail('from@example.org', ['to@example.org'], 'Subject: test\r\n\r\n' + text)
client.quit()
";

    fn client(server: &Smtp, how: Transport, password: &str) -> Ran {
        let mut python = Command::new(judge("POLDER_JUDGE_SMTP_PYTHON"));
        python.args(["-I", "-c", CLIENT, &format!("{how:?}"), &server.port().to_string()]).arg(server.ca_file()).arg(password);
        ran(python.output().unwrap())
    }

    #[test]
    fn mail_is_taken_in_each_way_and_kept_whole_and_in_order() {
        for transport in [Transport::StartTls, Transport::Implicit, Transport::Plain] {
            let server = Smtp::with(transport, Tls::Trusted);
            client(&server, transport, "").ok();
            client(&server, transport, PASSWORD).ok();
            let err = client(&server, transport, "wrong").fails(1);
            assert!(err.contains("SMTPAuthenticationError"), "{transport:?}: {err}");
            let messages = server.messages();
            let ends: Vec<&str> = messages.iter().map(|message| message.trim_end().rsplit('\n').next().unwrap()).collect();
            assert_eq!(ends, ["first", "second", "first", "second"], "{transport:?}");
            for line in ["Subject: test\n", "X-MailFrom: from@example.org\n", "X-RcptTo: to@example.org\n"] {
                assert!(messages[0].contains(line), "{transport:?}: {messages:?}");
            }
        }
    }

    #[test]
    fn mail_is_refused_before_tls_and_by_a_client_that_cannot_trust() {
        let server = Smtp::start();
        let err = client(&server, Transport::Plain, "").fails(1);
        assert!(err.contains("Must issue a STARTTLS command first"), "{err}");
        assert_eq!(server.messages(), Vec::<String>::new());
        let err = client(&Smtp::with(Transport::Plain, Tls::Trusted), Transport::StartTls, "").fails(1);
        assert!(err.contains("STARTTLS extension not supported"), "{err}");
        for tls in [Tls::OtherHost, Tls::Expired, Tls::SelfSigned] {
            for transport in [Transport::StartTls, Transport::Implicit] {
                let server = Smtp::with(transport, tls);
                let err = client(&server, transport, "").fails(1);
                assert!(err.contains("CERTIFICATE_VERIFY_FAILED"), "{tls:?}: {err}");
                assert_eq!(server.messages(), Vec::<String>::new());
            }
        }
    }
}
