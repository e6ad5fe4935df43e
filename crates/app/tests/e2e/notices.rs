//! Notices of pipelines to a real mail server and a receiver with TLS.

use crate::harness::Project;
use crate::servers::certificates::Tls;
use crate::servers::smtp::{Smtp, Transport};
use crate::servers::webhook::Webhook;
use crate::servers::{PASSWORD, USER};

/// A pipeline of one table that tells of each success.
fn telling(project: &Project, channel: &str) {
    project.pets("cat\ndog\n");
    project.write("pipelines/nightly.yaml", format!("select: [pets]\nnotify:\n  on: [success]\n  {channel}\n"));
}

fn mail(server: &Smtp, more: &str) -> String {
    let (port, ca) = (server.port(), server.ca_file().display());
    format!("smtp: {{server: localhost, port: {port}, ca: {ca}, from: polder@example.org, to: [ops@example.org]{more}}}")
}

#[test]
fn a_mail_arrives_over_starttls_and_tls_with_a_password() {
    for (transport, tls) in [(Transport::StartTls, "starttls"), (Transport::Implicit, "tls")] {
        let (project, server) = (Project::new(), Smtp::with(transport, Tls::Trusted));
        project.write("mail.secret", PASSWORD);
        telling(&project, &mail(&server, &format!(", tls: {tls}, user: {USER}, password: 'file:mail.secret'")));
        project.run(&["pipeline", "run", "nightly"]).ok();
        let messages = server.messages();
        assert_eq!(messages.len(), 1, "{tls}");
        for text in ["Subject: Polder: pipeline nightly: success", "X-RcptTo: ops@example.org", "pipeline nightly succeeded"] {
            assert!(messages[0].contains(text), "{text}: {}", messages[0]);
        }
    }
}

#[test]
fn a_mail_server_that_cannot_be_trusted_gets_nothing_and_the_run_stands() {
    for (transport, tls, what) in [
        (Transport::StartTls, Tls::OtherHost, "certificate"),
        (Transport::StartTls, Tls::Expired, "certificate"),
        (Transport::StartTls, Tls::SelfSigned, "certificate"),
        (Transport::Plain, Tls::Off, "STARTTLS"),
    ] {
        let (project, server) = (Project::new(), Smtp::with(transport, tls));
        telling(&project, &mail(&server, ""));
        let ran = project.run(&["pipeline", "run", "nightly"]);
        assert!(ran.err.contains(what), "{tls:?}: {}", ran.err);
        ran.ok();
        assert!(server.messages().is_empty(), "{tls:?}");
    }
}

#[test]
fn a_wrong_password_is_told_and_not_shown() {
    let (project, server) = (Project::new(), Smtp::start());
    project.write("mail.secret", "hunter2");
    telling(&project, &mail(&server, &format!(", user: {USER}, password: 'file:mail.secret'")));
    let ran = project.run(&["pipeline", "run", "nightly"]);
    assert!(ran.err.contains("code 535") && !ran.err.contains("hunter2"), "{}", ran.err);
    assert!(server.messages().is_empty());
}

#[test]
fn a_signed_post_arrives_over_tls() {
    let (project, server) = (Project::new(), Webhook::start());
    project.write("hook.url", format!("{}/hook", server.url()));
    project.write("hook.secret", "a key of more than twenty-four bytes");
    let ca = server.ca_file().display();
    telling(&project, &format!("webhook: {{url: 'file:hook.url', secret: 'file:hook.secret', ca: {ca}}}"));
    project.run(&["pipeline", "run", "nightly"]).ok();
    let requests = server.requests();
    assert_eq!((requests.len(), requests[0].path.as_str()), (1, "/hook"));
    let event: serde_json::Value = serde_json::from_slice(&requests[0].body).unwrap();
    assert_eq!(event["type"], "io.polder.pipeline.success");
    assert!(requests[0].header("webhook-signature").unwrap().starts_with("v1,"));
}

/// A receiver that is not there, or does not take it, when the alarm comes: it is told once it takes it, and then no more.
#[test]
fn a_failure_that_nobody_took_is_told_until_someone_takes_it() {
    let (project, server) = (Project::new(), Webhook::with(Tls::Trusted, &[401, 401, 200]));
    project.write("hook.url", format!("{}/hook", server.url()));
    project.write("hook.secret", "a key of more than twenty-four bytes");
    let ca = server.ca_file().display();
    project.people("1,Ann,900,s\n");
    let notify = format!("notify:\n  webhook: {{url: 'file:hook.url', secret: 'file:hook.secret', ca: {ca}}}\n");
    project.write("pipelines/nightly.yaml", format!("select: [people]\n{notify}"));
    let err = project.run(&["pipeline", "run", "nightly"]).fails(3);
    assert!(err.contains("status 401"), "{err}");
    for requests in [2, 3, 3] {
        project.run(&["pipeline", "check"]).ok();
        assert_eq!(server.requests().len(), requests);
    }
    let last: serde_json::Value = serde_json::from_slice(&server.requests()[2].body).unwrap();
    assert_eq!(last["data"]["kind"], "failure");
    assert!(last["data"]["text"].as_str().unwrap().contains("nobody was told of it then"), "{last}");
}
