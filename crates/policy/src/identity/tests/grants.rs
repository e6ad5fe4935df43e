//! Grants and the account for emergencies: what each refusal is for, and that nothing counts but what enrolled keys of others signed.

use super::super::approval::tests::Person;
use super::*;

const HOUR: i64 = 3_600_000;
const LINEAGE: &str = "an installation";

/// Ann has an account; bea and carl are enrolled approvers.
struct Desk {
    bed: Bed,
    ann: Person,
    bea: Person,
    carl: Person,
}

impl Desk {
    fn new() -> Self {
        let mut bed = Bed::new();
        bed.does(&Change::AddGroup { name: "oncall".to_owned() });
        Self { bed, ann: Person::new("ann", 1), bea: Person::new("bea", 2), carl: Person::new("carl", 3) }
    }

    fn approvers(&self) -> Approvers {
        Approvers::new(LINEAGE, [self.ann.enrolled(), self.bea.enrolled(), self.carl.enrolled()])
    }

    fn request(&self, until_ms: i64) -> GrantChange {
        let by = "user:olga".to_owned();
        GrantChange::Request {
            group: "oncall".to_owned(),
            account: "ann".to_owned(),
            by,
            until_ms,
            reason: "ticket 4711".to_owned(),
            hours_max: 24,
        }
    }

    /// Asks for four hours.
    fn asked(&mut self) -> String {
        let request = self.request(self.bed.now + 4 * HOUR);
        self.does(request).grant.unwrap().id.unwrap()
    }

    fn does(&mut self, change: GrantChange) -> Applied {
        self.bed.does(&Change::Grant(change))
    }

    fn refuses(&self, change: GrantChange) -> String {
        self.bed.refuses(&Change::Grant(change)).to_string()
    }

    fn approve(&self, id: &str, by: &Person) -> GrantChange {
        let request = self.bed.register.grant_request(id, &self.approvers()).unwrap();
        GrantChange::Approve { id: id.to_owned(), by: by.name.to_owned(), signature: by.sign(&request), approvers: self.approvers() }
    }

    /// What ann, who signed in at first, is a member of.
    fn membership(&self, signed_in: &SignedIn) -> Membership {
        self.bed.register.membership(signed_in, &self.approvers(), self.bed.now).unwrap()
    }

    fn state(&self, id: &str) -> GrantState {
        self.bed.register.grants()[id].state(id, &self.approvers(), self.bed.now)
    }
}

fn groups(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_grant_counts_from_its_approval_to_its_end_and_no_longer() {
    let mut desk = Desk::new();
    let signed_in = desk.bed.by_password("ann", PASSWORD).unwrap();
    let id = desk.asked();
    assert_eq!((desk.state(&id), desk.membership(&signed_in).groups), (GrantState::Requested, groups(&["analysts"])));
    desk.bed.now += HOUR;
    let approve = desk.approve(&id, &desk.bea);
    let applied = desk.does(approve);
    assert_eq!((applied.subject, applied.token.is_none()), (Subject::Account("ann".to_owned()), true));
    assert_eq!(desk.state(&id), GrantState::Active);
    assert_eq!(desk.membership(&signed_in), Membership { groups: groups(&["analysts", "oncall"]), grants: vec![id.clone()] });
    // Nobody else gets it, and what SCRAM or a token let in is the same.
    let (_, text) = desk.bed.token("etl", 1, &[]);
    let etl = desk.bed.by_token(&text, "rest").unwrap();
    assert_eq!(desk.membership(&etl), Membership { groups: vec![], grants: vec![] });
    // A clock that went back to before its approval gives nothing.
    desk.bed.now -= 1;
    assert_eq!((desk.state(&id), desk.membership(&signed_in).groups), (GrantState::Clock, groups(&["analysts"])));
    desk.bed.now = NOW + 4 * HOUR - 1;
    assert_eq!(desk.membership(&signed_in).groups, groups(&["analysts", "oncall"]));
    desk.bed.now += 1;
    assert_eq!((desk.state(&id), desk.membership(&signed_in).groups), (GrantState::Ended, groups(&["analysts"])));
    assert!(desk.refuses(GrantChange::Revoke { id, by: "user:olga".to_owned() }).contains("ended by itself"));
}

#[test]
fn it_is_ended_before_its_time_and_goes_with_its_account_and_its_group() {
    for end in 0..3 {
        let mut desk = Desk::new();
        let signed_in = desk.bed.by_password("ann", PASSWORD).unwrap();
        let id = desk.asked();
        let approve = desk.approve(&id, &desk.carl);
        desk.does(approve);
        assert_eq!(desk.membership(&signed_in).grants, std::slice::from_ref(&id));
        match end {
            0 => {
                desk.does(GrantChange::Revoke { id: id.clone(), by: "user:olga".to_owned() });
                assert_eq!((desk.state(&id), desk.membership(&signed_in).groups), (GrantState::Revoked, groups(&["analysts"])));
                assert!(desk.refuses(GrantChange::Revoke { id, by: "user:olga".to_owned() }).contains("revoked already"));
            }
            1 => {
                desk.bed.does(&Change::RemoveGroup { name: "oncall".to_owned() });
                desk.bed.does(&Change::AddGroup { name: "oncall".to_owned() });
                assert_eq!(desk.membership(&signed_in).groups, groups(&["analysts"]));
            }
            _ => {
                desk.bed.does(&remove(Kind::User, "ann".to_owned()));
                desk.bed.does(&user("ann", &[]));
                let again = desk.bed.by_password("ann", PASSWORD).unwrap();
                assert_eq!(desk.membership(&again).groups, groups(&[]));
            }
        }
    }
}

#[test]
fn what_is_asked_for_has_an_end_a_reason_and_is_not_too_long() {
    let desk = Desk::new();
    let now = desk.bed.now;
    assert!(desk.refuses(desk.request(now)).contains("end before it begins"));
    assert!(desk.refuses(desk.request(now + 24 * HOUR + 1)).contains("at most 24 hours"));
    let with = |change: &dyn Fn(&mut String, &mut String, &mut String, &mut u32)| {
        let GrantChange::Request { mut group, mut account, by, until_ms, mut reason, mut hours_max } = desk.request(now + 721 * HOUR)
        else {
            panic!("it is a request")
        };
        change(&mut group, &mut account, &mut reason, &mut hours_max);
        GrantChange::Request { group, account, by, until_ms: if hours_max > 24 { until_ms } else { now + HOUR }, reason, hours_max }
    };
    // Whatever a file says, thirty days are the most.
    assert!(desk.refuses(with(&|_, _, _, hours| *hours = 10_000)).contains("at most 720 hours"));
    assert!(desk.refuses(with(&|group, _, _, _| *group = "nobody".to_owned())).contains("no group nobody"));
    assert!(desk.refuses(with(&|_, account, _, _| *account = "bob".to_owned())).contains("no user or service bob"));
    assert!(desk.refuses(with(&|_, account, _, _| *account = BREAK_GLASS.to_owned())).contains("only `polder break-glass` changes"));
    for wrong in ["", "  ", "two\nlines", &"x".repeat(501)] {
        assert!(desk.refuses(with(&|_, _, reason, _| *reason = wrong.to_owned())).contains("give a reason"), "{wrong}");
    }
}

#[test]
fn nobody_approves_what_is_their_own_nor_with_another_signature() {
    let mut desk = Desk::new();
    let id = desk.asked();
    // Ann gets it, and olga asked for it.
    assert!(desk.refuses(desk.approve(&id, &desk.ann)).contains("nobody approves what is their own"));
    let olga = Person::new("olga", 2);
    let mixed = |name: &str, person: &Person, approvers: Approvers| {
        let GrantChange::Approve { id, signature, .. } = desk.approve(&id, person) else { panic!("it approves") };
        GrantChange::Approve { id, by: name.to_owned(), signature, approvers }
    };
    let enrolled = Approvers::new(LINEAGE, [desk.bea.enrolled(), olga.enrolled()]);
    // The same key as olga's: bea is olga under another name.
    assert!(desk.refuses(mixed("bea", &desk.bea, enrolled.clone())).contains("nobody approves what is their own"));
    assert!(desk.refuses(mixed("olga", &olga, enrolled)).contains("nobody approves what is their own"));
    assert!(desk.refuses(mixed("bea", &desk.carl, desk.approvers())).contains("not one of this request"));
    assert!(desk.refuses(mixed("dora", &desk.carl, desk.approvers())).contains("not an approver"));
    // What was signed for another installation counts in none but that.
    let elsewhere = Approvers::new("another", [desk.bea.enrolled()]);
    assert!(desk.refuses(mixed("bea", &desk.bea, elsewhere)).contains("not one of this request"));
    assert!(desk.refuses(mixed("bea", &desk.bea, Approvers::new(LINEAGE, []))).contains("not an approver"));
    let unknown = GrantChange::Deny { id: "0000000000".to_owned(), by: "user:olga".to_owned(), reason: "no".to_owned() };
    assert_eq!(desk.bed.refuses(&Change::Grant(unknown)).kind(), ErrorKind::NotFound);
    assert_eq!(desk.bed.refuses(&Change::Grant(desk.approve(&id, &desk.ann))).kind(), ErrorKind::Denied);
    // The control.
    let approve = desk.approve(&id, &desk.bea);
    desk.does(approve);
}

#[test]
fn what_lapsed_was_denied_or_is_decided_is_approved_by_nobody() {
    let mut desk = Desk::new();
    let id = desk.asked();
    desk.bed.now -= 1;
    assert!(desk.refuses(desk.approve(&id, &desk.bea)).contains("set the clock right"));
    desk.bed.now = NOW + 4 * HOUR;
    assert_eq!(desk.state(&id), GrantState::Lapsed);
    assert!(desk.refuses(desk.approve(&id, &desk.bea)).contains("its time is over"));
    desk.bed.now = NOW;
    let long = desk.request(NOW + 24 * HOUR);
    let long = desk.does(long).grant.unwrap().id.unwrap();
    desk.bed.now = NOW + 24 * HOUR;
    assert!(desk.refuses(desk.approve(&long, &desk.bea)).contains("more than 24 hours ago"));
    desk.bed.now = NOW;
    let deny = |id: &str| GrantChange::Deny { id: id.to_owned(), by: "user:carl".to_owned(), reason: "not tonight".to_owned() };
    desk.does(deny(&id));
    assert_eq!(desk.state(&id), GrantState::Denied);
    assert!(desk.refuses(desk.approve(&id, &desk.bea)).contains("it was denied"));
    assert!(desk.refuses(GrantChange::Revoke { id, by: "user:carl".to_owned() }).contains("it is not approved"));
    let approve = desk.approve(&long, &desk.bea);
    desk.does(approve);
    assert!(desk.refuses(desk.approve(&long, &desk.carl)).contains("approved already"));
    assert!(desk.refuses(deny(&long)).contains("approved already"));
}

/// Someone who can write the register, and has no key of an approver.
#[test]
fn a_changed_register_gives_nobody_a_group() {
    let mut desk = Desk::new();
    let signed_in = desk.bed.by_password("ann", PASSWORD).unwrap();
    let id = desk.asked();
    let approve = desk.approve(&id, &desk.bea);
    desk.does(approve);
    let json = String::from_utf8(desk.bed.register.to_json().unwrap()).unwrap();
    let until = (NOW + 4 * HOUR).to_string();
    for (from, to) in [
        (until.as_str(), (NOW + 40 * HOUR).to_string()),
        ("\"group\":\"oncall\"", "\"group\":\"analysts\"".to_owned()),
        ("user:olga", "user:otto".to_owned()),
        ("ticket 4711", "ticket 4712".to_owned()),
        ("\"by\":\"bea\"", "\"by\":\"carl\"".to_owned()),
        (id.as_str(), "0123456789".to_owned()),
    ] {
        assert!(json.contains(from), "{from}");
        desk.bed.register = Register::from_json(json.replace(from, &to).as_bytes()).unwrap();
        let membership = desk.membership(&signed_in);
        assert_eq!(membership, Membership { groups: groups(&["analysts"]), grants: vec![] }, "{from}");
    }
    // Nor may it be of an account or a group that is not there.
    for (from, to) in [("user:ann", "user:eve"), ("\"group\":\"oncall\"", "\"group\":\"gone\"")] {
        let error = Register::from_json(json.replace(from, to).as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{from}");
    }
    desk.bed.register = Register::from_json(json.as_bytes()).unwrap();
    assert_eq!(desk.membership(&signed_in).grants, [id]);
    // An approver who was struck off approves nothing from then on, what they approved before included.
    let others = Approvers::new(LINEAGE, [desk.ann.enrolled(), desk.carl.enrolled()]);
    assert_eq!(desk.bed.register.membership(&signed_in, &others, NOW).unwrap().groups, groups(&["analysts"]));
}

/// The account for emergencies, asked to be opened for two hours.
struct Emergency {
    desk: Desk,
    id: String,
}

impl Emergency {
    fn new() -> Self {
        let mut desk = Desk::new();
        desk.bed.does(&Change::BreakGlass(BreakGlassChange::Seal));
        let asked = BreakGlassChange::Request { by: "user:olga".to_owned(), hours: 2, reason: "the ward is on fire".to_owned() };
        let id = desk.bed.does(&Change::BreakGlass(asked)).grant.unwrap().id.unwrap();
        Self { desk, id }
    }

    fn approve(&self, by: &Person) -> Change {
        let approvers = self.desk.approvers();
        let request = self.desk.bed.register.opening_request(&self.id, &approvers).unwrap();
        Change::BreakGlass(BreakGlassChange::Approve {
            id: self.id.clone(),
            by: by.name.to_owned(),
            signature: by.sign(&request),
            approvers,
        })
    }

    fn open(&self, by: &str) -> Change {
        Change::BreakGlass(BreakGlassChange::Open { id: self.id.clone(), by: by.to_owned(), approvers: self.desk.approvers() })
    }

    fn opened() -> (Self, String) {
        let mut emergency = Self::new();
        for approve in [emergency.approve(&emergency.desk.bea), emergency.approve(&emergency.desk.carl)] {
            emergency.desk.bed.does(&approve);
        }
        let open = emergency.open("user:olga");
        let (_, token) = emergency.desk.bed.does(&open).token.unwrap();
        let token = token.expose_secret().clone();
        (emergency, token)
    }
}

#[test]
fn two_others_open_the_account_for_emergencies_and_its_time_ends_by_itself() {
    let mut emergency = Emergency::new();
    let refuses = |emergency: &Emergency, change: &Change| emergency.desk.bed.refuses(change).to_string();
    assert!(refuses(&emergency, &emergency.open("user:olga")).contains("two enrolled approvers"));
    let approve = emergency.approve(&emergency.desk.bea);
    emergency.desk.bed.does(&approve);
    assert!(refuses(&emergency, &approve).contains("approved it already"));
    assert!(refuses(&emergency, &emergency.open("user:olga")).contains("two enrolled approvers"));
    // The same key under another name is the same person.
    let alias = Person::new("service-desk", 2);
    let enrolled = Approvers::new(LINEAGE, [emergency.desk.bea.enrolled(), alias.enrolled()]);
    let request = emergency.desk.bed.register.opening_request(&emergency.id, &enrolled).unwrap();
    let second = BreakGlassChange::Approve {
        id: emergency.id.clone(),
        by: alias.name.to_owned(),
        signature: alias.sign(&request),
        approvers: enrolled,
    };
    assert!(refuses(&emergency, &Change::BreakGlass(second)).contains("approved it already"));
    // Who asked does not count.
    let olga = Person::new("olga", 9);
    let enrolled = Approvers::new(LINEAGE, [emergency.desk.bea.enrolled(), olga.enrolled()]);
    let own = BreakGlassChange::Approve {
        id: emergency.id.clone(),
        by: olga.name.to_owned(),
        signature: olga.sign(&request),
        approvers: enrolled,
    };
    assert!(refuses(&emergency, &Change::BreakGlass(own)).contains("nobody approves what is their own"));
    let approve = emergency.approve(&emergency.desk.carl);
    emergency.desk.bed.does(&approve);
    assert!(refuses(&emergency, &emergency.open("user:otto")).contains("only who asked"));
    let open = emergency.open("user:olga");
    let (_, token) = emergency.desk.bed.does(&open).token.unwrap();
    assert!(refuses(&emergency, &open).contains("was not sealed since"));

    let (text, approvers) = (token.expose_secret().clone(), emergency.desk.approvers());
    let bed = &mut emergency.desk.bed;
    let signed_in = bed.by_token(&text, "postgres").unwrap();
    assert_eq!(signed_in.principal().as_str(), "user:break-glass");
    let membership = bed.register.membership(&signed_in, &approvers, bed.now).unwrap();
    assert_eq!(membership, Membership { groups: vec![], grants: vec![emergency.id.clone()] });
    // A clock that went back to before it was opened lets nobody in.
    bed.now -= 1;
    assert_eq!(bed.by_token(&text, "postgres").unwrap_err(), Refusal::Clock);
    bed.now = NOW + 2 * HOUR - 1;
    assert!(bed.register.membership(&signed_in, &approvers, bed.now).is_ok());
    bed.now += 1;
    assert_eq!(bed.by_token(&text, "postgres").unwrap_err(), Refusal::Expired);
    assert!(bed.register.membership(&signed_in, &approvers, bed.now).is_err());
    // Its time is over, and it is asked for anew only when someone sealed it.
    let again = Change::BreakGlass(BreakGlassChange::Request { by: "user:olga".to_owned(), hours: 1, reason: "again".to_owned() });
    assert!(bed.refuses(&again).to_string().contains("was not sealed since"));
    bed.does(&Change::BreakGlass(BreakGlassChange::Seal));
    bed.does(&again);
}

#[test]
fn sealing_ends_it_at_once_and_what_was_asked_for() {
    let (mut emergency, token) = Emergency::opened();
    let signed_in = emergency.desk.bed.by_token(&token, "rest").unwrap();
    emergency.desk.bed.does(&Change::BreakGlass(BreakGlassChange::Seal));
    assert!(emergency.desk.bed.by_token(&token, "rest").is_err());
    assert!(emergency.desk.bed.register.still(&signed_in, NOW).is_err());
    assert!(emergency.desk.bed.refuses(&emergency.open("user:olga")).to_string().contains("it was sealed since"));
    let mut waiting = Emergency::new();
    waiting.desk.bed.does(&Change::BreakGlass(BreakGlassChange::Seal));
    assert!(waiting.desk.bed.refuses(&waiting.approve(&waiting.desk.bea)).to_string().contains("it was sealed since"));
    let mut late = Emergency::new();
    late.desk.bed.now += DAY;
    assert!(late.desk.bed.refuses(&late.approve(&late.desk.bea)).to_string().contains("more than 24 hours ago"));
}

/// Someone who manages accounts, or can write the register, and is no two approvers.
#[test]
fn nobody_comes_in_as_break_glass_by_another_way() {
    let mut bed = Bed::new();
    for change in [user(BREAK_GLASS, &[]), service(BREAK_GLASS)] {
        assert!(bed.refuses(&change).to_string().contains("only `polder break-glass` changes"));
    }
    let asked = BreakGlassChange::Request { by: "user:olga".to_owned(), hours: 1, reason: "now".to_owned() };
    assert!(bed.refuses(&Change::BreakGlass(asked)).to_string().contains("there is no such account yet"));
    bed.does(&Change::BreakGlass(BreakGlassChange::Seal));
    let name = BREAK_GLASS.to_owned();
    for change in [
        Change::SetPassword { name: name.clone(), credentials: credentials("ann", PASSWORD) },
        Change::Join { group: "analysts".to_owned(), name: name.clone() },
        token(BREAK_GLASS, 1, &[]),
        remove(Kind::User, name.clone()),
        disable(Kind::User, name.clone()),
        revoke(Kind::User, name),
    ] {
        assert!(bed.refuses(&change).to_string().contains("only `polder break-glass` changes"), "{change:?}");
    }
    for hours in [0, 5] {
        let asked = BreakGlassChange::Request { by: "user:olga".to_owned(), hours, reason: "now".to_owned() };
        assert!(bed.refuses(&Change::BreakGlass(asked)).to_string().contains("from 1 to 4 hours"));
    }
    let (emergency, text) = Emergency::opened();
    let register = &emergency.desk.bed.register;
    let signed_in = register.by_token(&text, "rest", NOW).unwrap();
    // Two signatures by keys that are enrolled now, or nothing.
    let one = Approvers::new(LINEAGE, [emergency.desk.bea.enrolled()]);
    assert_eq!(register.membership(&signed_in, &one, NOW).unwrap_err(), Refusal::Sealed);
    let json = String::from_utf8(register.to_json().unwrap()).unwrap();
    for (from, to) in [("\"length_ms\":7200000", "\"length_ms\":72000000"), ("on fire", "in order"), ("user:olga", "user:otto")] {
        assert!(json.contains(from), "{from}");
        let changed = Register::from_json(json.replace(from, to).as_bytes()).unwrap();
        assert_eq!(changed.membership(&signed_in, &emergency.desk.approvers(), NOW).unwrap_err(), Refusal::Sealed, "{from}");
    }
    // A register in which it has another way in is not read at all.
    let account = "\"break-glass\":{\"kind\":\"user\"";
    assert!(json.contains(account));
    for to in ["\"break-glass\":{\"kind\":\"service\"", "\"break-glass\":{\"groups\":[\"analysts\"],\"kind\":\"user\""] {
        assert_eq!(Register::from_json(json.replace(account, to).as_bytes()).unwrap_err().kind(), ErrorKind::Corrupt, "{to}");
    }
}

/// A register as it was written before there were grants.
#[test]
fn a_register_without_grants_has_the_bytes_that_it_had() {
    let json = String::from_utf8(Bed::new().register.to_json().unwrap()).unwrap();
    assert!(!json.contains("grants") && !json.contains("break_glass"), "{json}");
}
