//! Session tokens and codes, under a clock that the test moves.

use polder_policy::identity::{FactorChange, NewTotp, step_of};
use totp_rs::Totp;

use super::*;

const MINUTE_MS: i64 = 60_000;

impl Bed {
    async fn by_ticket(&self, text: &str, wire: Wire) -> Result<Arc<dyn Session>, Fault> {
        self.accounts.sign_in(Credential::Token(Secret::new(text.to_owned())), &origin(wire)).await
    }

    async fn by_code(&self, code: &str) -> Result<Arc<dyn Session>, Fault> {
        let (password, code) = (Secret::new(PASSWORD.to_owned()), Secret::new(code.to_owned()));
        self.accounts.sign_in(Credential::Code { name: "ann".to_owned(), password, code }, &origin(Wire::Rest)).await
    }

    fn now_ms(&self) -> i64 {
        self.installation.clock.now_ms()
    }
}

fn text(ticket: &polder_serve::Ticket) -> String {
    ticket.token.expose_secret().clone()
}

fn refusal(result: Result<Arc<dyn Session>, Fault>) -> Fault {
    result.err().unwrap_or_else(|| panic!("somebody was let in"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_token_holds_as_long_as_the_sign_in_before_it() {
    let bed = Bed::new(ServingLimits { session_hours: 2, ..ServingLimits::default() }).await;
    let session = bed.ann().await;
    bed.clock.advance(HOUR_MS / 2);
    let ticket = session.ticket().await.unwrap();
    assert_eq!((ticket.name.as_str(), ticket.expires_ms), ("ann", bed.now_ms() + HOUR_MS * 3 / 2));
    // It outlives the session in which it was asked for, and not the hours of its sign-in.
    session.close().await;
    for wire in [Wire::Postgres, Wire::Flight, Wire::Rest] {
        assert_eq!(bed.by_ticket(&text(&ticket), wire).await.unwrap().name(), "ann");
    }
    let by_password = bed.password("ann", &text(&ticket)).await.unwrap();
    assert_eq!(refusal(bed.password("bob", &text(&ticket)).await), Fault::not_signed_in());
    assert!(by_password.ticket().await.unwrap_err().message().starts_with("make session token"));
    bed.clock.advance(HOUR_MS * 3 / 2);
    assert_eq!(by_password.ended().await, Ended::Expired);
    assert_eq!(refusal(bed.by_ticket(&text(&ticket), Wire::Rest).await), Fault::not_signed_in());
    assert!(session.ticket().await.unwrap_err().is_unauthenticated());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_its_owner_or_an_administrator_ends_is_over_in_every_session() {
    let bed = Bed::new(ServingLimits::default()).await;
    let [one, other] = [bed.ann().await.ticket().await.unwrap(), bed.ann().await.ticket().await.unwrap()];
    let sessions = [bed.by_ticket(&text(&one), Wire::Postgres).await.unwrap(), bed.by_ticket(&text(&one), Wire::Rest).await.unwrap()];
    assert!(bed.ann().await.end_ticket().await.is_err(), "it came from a password");
    sessions[1].end_ticket().await.unwrap();
    for session in &sessions {
        assert_eq!(session.ended().await, Ended::Revoked);
        assert!(rows(session, "select 1").await.unwrap_err().is_unauthenticated());
    }
    assert_eq!(refusal(bed.by_ticket(&text(&one), Wire::Rest).await), Fault::not_signed_in());
    let session = bed.by_ticket(&text(&other), Wire::Rest).await.unwrap();
    bed.change(Change::Revoke { kind: Kind::User, name: "ann".to_owned() }).await;
    assert_eq!(session.ended().await, Ended::Revoked);
    assert_eq!(refusal(bed.by_ticket(&text(&other), Wire::Rest).await), Fault::not_signed_in());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_token_gives_one_for_its_ways_in_until_its_end() {
    let bed = Bed::new(ServingLimits { session_hours: 168, ..ServingLimits::default() }).await;
    let wires = BTreeSet::from(["rest".to_owned(), "flight".to_owned()]);
    let token = bed.change(Change::MakeToken { owner: "ann".to_owned(), days: 1, wires, note: None }).await.unwrap();
    let session = bed.accounts.sign_in(Credential::Token(Secret::new(token)), &origin(Wire::Rest)).await.unwrap();
    let ticket = session.ticket().await.unwrap();
    assert_eq!(ticket.expires_ms, bed.now_ms() + 24 * HOUR_MS);
    assert!(bed.by_ticket(&text(&ticket), Wire::Flight).await.is_ok());
    assert_eq!(refusal(bed.by_ticket(&text(&ticket), Wire::Postgres).await), Fault::not_signed_in());
    // It adds no passkey either, which would stay.
    assert_eq!(session.passkey_wish().await.unwrap_err().kind(), ErrorKind::Denied);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_has_sixty_four_that_hold_and_no_more() {
    let bed = Bed::new(ServingLimits::default()).await;
    let session = bed.ann().await;
    let first = session.ticket().await.unwrap();
    for _ in 1..64 {
        session.ticket().await.unwrap();
    }
    assert_eq!(session.ticket().await.unwrap_err().sqlstate(), "53400");
    // One that ended makes room.
    bed.by_ticket(&text(&first), Wire::Rest).await.unwrap().end_ticket().await.unwrap();
    assert!(session.ticket().await.is_ok() && session.ticket().await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_is_taken_once_and_not_in_the_first_minute() {
    let bed = Bed::new(ServingLimits::default()).await;
    let new = NewTotp::new("ann", &SystemRng).unwrap();
    let app = Totp::from_url(new.address().unwrap().expose_secret()).unwrap();
    let code = |at_ms: i64| app.generate(u64::try_from(at_ms / 1_000).unwrap()).to_string();
    let (totp, codes) = new.confirmed(&code(bed.now_ms()), bed.now_ms(), &SystemRng).unwrap().unwrap();
    bed.change(Change::Factor(FactorChange::EnrolTotp { name: "ann".to_owned(), totp })).await;
    assert_eq!(refusal(bed.password("ann", PASSWORD).await), Fault::not_signed_in());
    let early = refusal(bed.by_code(&code(bed.now_ms() + 30_000)).await);
    assert_eq!((early.sqlstate(), early.is_unauthenticated()), ("53400", false));
    // Recovery codes are taken at once, and once.
    assert!(bed.by_code(codes[0].expose_secret()).await.is_ok());
    assert_eq!(refusal(bed.by_code(codes[0].expose_secret()).await), Fault::not_signed_in());
    bed.clock.advance(MINUTE_MS);
    let now = code(bed.now_ms());
    let together = tokio::join!(bed.by_code(&now), bed.by_code(&now));
    let let_in = [&together.0, &together.1].into_iter().filter(|result| result.is_ok()).count();
    assert_eq!(let_in, 1, "of two at once, one");
    assert_eq!(refusal(bed.by_code(&code(bed.now_ms() - 30_000)).await), Fault::not_signed_in(), "the one before it is spent too");
    assert_eq!(step_of(bed.now_ms() + 30_000), step_of(bed.now_ms()) + 1);
    assert!(bed.by_code(&code(bed.now_ms() + 30_000)).await.is_ok());
}
