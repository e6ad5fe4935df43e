//! The attempts of `tests/corpus/bypass`, asked over each wire of a real server by whom the corpus says: what comes back must be what the file
//! says, and nothing of what is hidden may stand in anything that a client hears. `crates/engine/src/tests/bypass.rs` asks them of the door.

mod corpus;
mod project;
mod wires;

use std::collections::{BTreeMap, BTreeSet};

use corpus::{Attempt, Heard, Rows};
use project::{BOSS, Corpus};
use wires::{Client, Places, Wire};

use crate::served::serve_in;

/// What PostgreSQL's wire answers where the file, which knows no catalog, says that it is refused.
#[derive(Debug, Clone, Copy)]
enum Instead {
    /// Names, and that of the table that the asker may know of among them.
    Names,
    /// The same as another question.
    Same(&'static str),
}

/// Of its dialect: a catalog, which tells of what the asker may know of, and names with a schema.
const INSTEAD: [(&str, Instead); 4] = [
    ("select table_name from information_schema.tables", Instead::Names),
    ("select * from information_schema.columns", Instead::Names),
    ("select * from pg_catalog.pg_class", Instead::Names),
    ("select * from polder.public.patients", Instead::Same("select * from patients")),
];

/// Tables that the nurse, who asks for the catalog, may not know of, besides those that nobody here may.
const OF_OTHERS: [&str; 2] = ["open_wards", "roster"];

/// What became of all attempts on a wire.
#[derive(Debug, Default)]
struct Outcome {
    wrong: Vec<String>,
    /// Came back exactly as the file says.
    exact: usize,
    asked: usize,
    /// Cannot be asked so: parameters without values.
    left_out: usize,
    /// Classes of which the owner was told what others are not.
    leaks: BTreeSet<String>,
}

/// Those who are signed in on one wire, by name and purpose.
struct Guests<'a> {
    wire: Wire,
    places: Places,
    corpus: &'a Corpus,
    clients: BTreeMap<(String, Option<String>), Client>,
}

impl Guests<'_> {
    async fn ask(&mut self, who: &str, purpose: Option<&str>, sql: &str) -> Option<Heard> {
        let key = (who.to_owned(), purpose.map(str::to_owned));
        let mut client = match self.clients.remove(&key) {
            Some(client) => client,
            None => self.places.sign_in(self.wire, &self.corpus.tokens[who], purpose).await,
        };
        let heard = client.ask(sql).await;
        self.clients.insert(key, client);
        heard.map(|heard| level(heard, sql))
    }
}

/// Texts that come from files are views of them in memory, which is nobody's affair but Arrow's.
fn level(mut heard: Heard, sql: &str) -> Heard {
    if let (true, Ok((_, rows))) = (sql.contains("arrow_typeof"), &mut heard.answer) {
        rows.iter_mut().flatten().filter(|value| *value == "Utf8View").for_each(|value| *value = "Utf8".to_owned());
    }
    heard
}

fn sorted(mut rows: Rows) -> Rows {
    rows.sort();
    rows
}

/// What is wrong with what came, as it is on this wire; and whether it is exactly what the file says.
async fn judged(guests: &mut Guests<'_>, attempt: &Attempt, heard: &Heard) -> (Option<String>, bool) {
    if let Some(word) = attempt.leaked(heard) {
        return (Some(format!("holds {word}: {heard:?}")), false);
    }
    let Some(error) = attempt.wrong(heard).await else { return (None, true) };
    let instead = INSTEAD.iter().find(|(sql, _)| guests.wire.is_postgres() && *sql == attempt.sql);
    let wrong = match (&heard.answer, instead) {
        // A plan in words tells how a table is stored, and what the dialect made of the question.
        (Ok((_, rows)), _) if attempt.is_plan() && !attempt.is_refused() => {
            (!rows.iter().flatten().any(|line| line.contains("TableScan: "))).then_some(error)
        }
        (Ok((_, rows)), Some((_, Instead::Names))) => {
            let told: Vec<&String> = rows.iter().flatten().collect();
            let others = told.iter().any(|name| OF_OTHERS.contains(&name.as_str()));
            (others || !told.iter().any(|name| *name == "patients")).then(|| format!("not the names that may be known: {rows:?}"))
        }
        (Ok((_, rows)), Some((_, Instead::Same(sql)))) => {
            let plain = guests.ask(&attempt.who, attempt.purpose.as_deref(), sql).await.unwrap();
            let same = plain.answer.as_ref().is_ok_and(|(_, other)| !other.is_empty() && sorted(other.clone()) == sorted(rows.clone()));
            (!same).then(|| format!("not as {sql}: {rows:?} and {:?}", plain.answer))
        }
        // The dialect of PostgreSQL has words of its own for what it does not take; that it takes it not is what the file says.
        (Err(_), _) if guests.wire.is_postgres() && attempt.is_refused() => None,
        _ => Some(error),
    };
    (wrong, false)
}

/// Asks everything on one wire: as whom the file says, then as who may see everything.
async fn asked(wire: Wire, places: Places, corpus: &Corpus) -> Outcome {
    let mut guests = Guests { wire, places, corpus, clients: BTreeMap::new() };
    let attempts = corpus::attempts(&corpus.versions);
    let mut outcome = Outcome::default();
    for attempt in &attempts {
        let Some(heard) = guests.ask(&attempt.who, attempt.purpose.as_deref(), &attempt.sql).await else {
            outcome.left_out += 1;
            continue;
        };
        outcome.asked += 1;
        let (wrong, exact) = judged(&mut guests, attempt, &heard).await;
        outcome.exact += usize::from(exact);
        outcome.wrong.extend(wrong.map(|wrong| format!("{wire:?}, {}\n{wrong}", attempt.place())));
    }
    for attempt in &attempts {
        if outcome.leaks.contains(&attempt.class) {
            continue;
        }
        if let Some(heard) = guests.ask(BOSS, None, &attempt.sql).await
            && leaks(attempt, &heard).await
        {
            outcome.leaks.insert(attempt.class.clone());
        }
    }
    outcome
}

/// Whether the owner was told what the asker was not: a canary, other rows, or an error that a hidden row makes.
async fn leaks(attempt: &Attempt, heard: &Heard) -> bool {
    if attempt.canary(heard).is_some() {
        return true;
    }
    let other = attempt.wrong(heard).await.is_some();
    match &heard.answer {
        Ok(_) => other && (attempt.is_refused() || !attempt.is_plan()),
        Err(texts) => !attempt.is_refused() && texts.iter().any(|text| text.contains("compute answer: ")),
    }
}

/// One server, every wire at once, every attempt. The owner is the control: what is hidden from others comes through the same wires.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_wire_gives_more_than_the_door() {
    let corpus = Corpus::new();
    let served = serve_in(&corpus.project);
    let places = Places::of(&served);
    let [simple, extended, flight, rest] = Wire::ALL.map(|wire| asked(wire, places.clone(), &corpus));
    let (simple, extended, flight, rest) = tokio::join!(simple, extended, flight, rest);
    let outcomes = [(Wire::Simple, simple), (Wire::Extended, extended), (Wire::Flight, flight), (Wire::Rest, rest)];
    let classes: BTreeSet<String> = corpus::attempts(&corpus.versions).into_iter().map(|attempt| attempt.class).collect();
    assert!(classes.len() >= 20, "{classes:?}");
    let mut wrong: Vec<&str> = Vec::new();
    for (wire, outcome) in &outcomes {
        wrong.extend(outcome.wrong.iter().map(String::as_str));
        // Those of the class of parameters that have one, which the extended protocol and Flight want a value for.
        let left_out = if matches!(wire, Wire::Extended | Wire::Flight) { 2 } else { 0 };
        assert!(outcome.left_out <= left_out && outcome.asked >= 300, "{wire:?}: {} asked, {} left out", outcome.asked, outcome.left_out);
    }
    assert!(wrong.is_empty(), "{} attempts:\n{}", wrong.len(), wrong.join("\n\n"));
    for (wire, outcome) in &outcomes {
        // Else a wire would be one on which nothing works.
        assert!(outcome.exact * 4 > outcome.asked * 3, "{wire:?}: {} of {} are exactly what the file says", outcome.exact, outcome.asked);
        let tight: Vec<_> = classes.difference(&outcome.leaks).collect();
        assert!(tight.is_empty(), "{wire:?}: nothing of these classes comes to the owner either: {tight:?}");
    }
    let said = served.stop();
    assert!(!["zugspitze", "90909"].iter().any(|canary| said.contains(canary)), "{said}");
    corpus.project.run(&["audit", "verify"]).ok();
}
