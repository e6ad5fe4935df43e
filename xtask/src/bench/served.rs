//! One row by its key, through a row filter, over the PostgreSQL wire with TLS: Polder, which records each read durably before it answers,
//! beside PostgreSQL with row security. One client asks both in turn for the same keys, in the same words.

mod data;
mod postgres;

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::time::Instant;
use tokio_postgres::Statement;
use tokio_postgres::types::Type;

use super::databases::Server;
use super::goals::Goal;
use super::jobs::Polder;
use super::measure::{Measured, MeasuredJob};
use crate::debian;
use crate::serving::Served;
use crate::serving::client::{Session, Way};

use data::{ACCOUNT, PASSWORD, ROWS};

/// The job's name.
pub const JOB: &str = "Point query, served";

const POLDER: &str = "polder, recorded";
const POSTGRES: &str = "PostgreSQL, row security";
const POSTGRES_RECORDED: &str = "PostgreSQL, row security, each read noted in a table";
const PREPARE: &str = "polder, prepared and recorded, not run";
const SHOW: &str = "polder, SHOW: no table, no record";
const DURABLE: &str = "a file of 1 KB and its directory made durable";

const QUESTION: &str = "select id, region, patient, amount from readings where id = $1";
/// The same in PostgreSQL, with a note of who asked for what in the same transaction, which is durable before it is answered.
const NOTED: &str = "with noted as (insert into reads (who, sql, key) values (current_user, 'select id, region, patient, amount from readings where id = $1', $1) returning 1) select id, region, patient, amount from readings, noted where id = $1";

/// Each is asked so often in a round. A hundredth of all of a run are some tens.
const QUESTIONS: u64 = 500;
/// What tells of costs is asked less often.
const COSTS_EVERY: u64 = 5;

const GOALS: [Goal; 2] = [Goal::AddedP99 { of: POLDER, to: POSTGRES, most: Duration::from_millis(15) }, Goal::Right { of: POLDER }];

/// Runs the job, in as many rounds after one that is not counted.
pub fn measure(polder: Option<&Polder>, rounds: usize) -> Result<MeasuredJob> {
    debian::install(&debian::TESTS)?;
    // What is made durable must lie on a disk: the folder for temporary files may be memory.
    let folder = Path::new("/var/tmp").join("polder-bench-served");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let (server, authority) = postgres::start(&folder)?;
    let served = match polder {
        Some(polder) => {
            let made = data::install(&polder.program, &folder.join("polder"))?;
            // Asked for before it is served: one process at a time writes to an installation.
            let authority = made.trusted()?;
            Some((made.serve()?, authority))
        }
        None => None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the client")?;
    let asked = runtime.block_on(asked(&server, &authority, served.as_ref(), &folder, rounds))?;
    if let Some((served, _)) = served {
        served.stop()?;
    }
    drop(server);
    // What a server that was killed still holds goes with the next run.
    let _ = std::fs::remove_dir_all(&folder);
    Ok(MeasuredJob {
        name: JOB,
        what: format!(
            "`{QUESTION}`, prepared once, on {ROWS} rows of four columns, a third of which the account may see: by a policy on rows in Polder, by `FORCE ROW LEVEL SECURITY` with an equal policy and a primary key in PostgreSQL. One connection to each, TLS 1.3 and SCRAM for both; {QUESTIONS} keys a round, each asked of all in turn. Polder's decision is durable before the first byte of an answer, and its outcome before the last; both are on the disk on which PostgreSQL keeps its log of changes. The last lines tell what that takes."
        ),
        rounds,
        contenders: asked,
        goals: GOALS.to_vec(),
        missing: if polder.is_none() { vec!["Polder, since only the peers were asked for".to_owned()] } else { vec![] },
    })
}

/// Someone signed in, with the statement prepared.
struct Asker {
    session: Session,
    statement: Statement,
}

impl Asker {
    async fn new(authority: &Path, port: u16, database: &str, sql: &str) -> Result<Self> {
        let session = Way::new(authority, port)?.sign_in(database, ACCOUNT, PASSWORD).await.context("sign in")?;
        let statement = session.client.prepare_typed(sql, &[Type::INT8]).await.with_context(|| format!("prepare `{sql}`"))?;
        Ok(Self { session, statement })
    }

    /// Asks for a key: how long it took until all of the answer was there, and the rows as texts.
    async fn ask(&self, key: u64) -> Result<(Duration, Vec<String>)> {
        let key = i64::try_from(key)?;
        let began = Instant::now();
        let rows = self.session.client.query(&self.statement, &[&key]).await.context("ask for a key")?;
        let took = began.elapsed();
        let rows = rows.iter().map(|row| {
            let (id, region, patient, amount): (i64, &str, &str, i64) =
                (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
            anyhow::Ok(format!("{id},{region},{patient},{amount}"))
        });
        Ok((took, rows.collect::<Result<_>>()?))
    }
}

/// Polder's side.
struct Ours {
    asker: Asker,
    /// Prepares and shows; a connection of its own, so that neither is in the other's way.
    other: Session,
}

async fn asked(
    server: &Server,
    authority: &Path,
    served: Option<&(Served, PathBuf)>,
    folder: &Path,
    rounds: usize,
) -> Result<Vec<Measured>> {
    let plain = Asker::new(authority, server.port(), "bench", QUESTION).await.context("reach PostgreSQL")?;
    let noted = Asker::new(authority, server.port(), "bench", NOTED).await.context("reach PostgreSQL")?;
    let ours = match served {
        Some((served, authority)) => {
            let asker = Asker::new(authority, served.port(), "polder", QUESTION).await.context("reach Polder")?;
            let other = Way::new(authority, served.port())?.sign_in("polder", ACCOUNT, PASSWORD).await.context("sign in")?;
            Some(Ours { asker, other })
        }
        None => None,
    };
    let mut figures = [POSTGRES, POLDER, POSTGRES_RECORDED, PREPARE, SHOW, DURABLE].map(Measured::new);
    let [of_postgres, of_polder, of_noted, of_prepare, of_show, of_durable] = &mut figures;
    let mut keys = data::Keys::new();
    for round in 0..=rounds {
        let counted = round > 0;
        for number in 0..QUESTIONS {
            let key = keys.draw();
            let right = data::seen(key);
            let asked: [(&mut Measured, Option<&Asker>); 2] =
                [(&mut *of_postgres, Some(&plain)), (&mut *of_polder, ours.as_ref().map(|ours| &ours.asker))];
            for (into, asker) in asked {
                let Some(asker) = asker else { continue };
                let (took, rows) = asker.ask(key).await.with_context(|| format!("measure {}", into.name))?;
                into.took(counted, took);
                into.checked += 1;
                if rows != right {
                    into.wrong.push(format!("key {key}: {rows:?} and not {right:?}"));
                }
            }
            if number % COSTS_EVERY > 0 {
                continue;
            }
            of_noted.took(counted, noted.ask(key).await?.0);
            of_durable.took(counted, durable(folder, round, number)?);
            if let Some(Ours { other, .. }) = &ours {
                let began = Instant::now();
                let prepared = other.client.prepare_typed(QUESTION, &[Type::INT8]).await.context("prepare")?;
                of_prepare.took(counted, began.elapsed());
                drop(prepared);
                let began = Instant::now();
                other.client.simple_query("show server_version").await.context("show")?;
                of_show.took(counted, began.elapsed());
            }
        }
        for one in [&*of_postgres, &*of_polder] {
            eprintln!("{JOB} / {} / round {round}: {} answers so far", one.name, one.latencies.len());
        }
    }
    if let Some(Ours { asker, other }) = ours {
        asker.session.sign_out().await?;
        other.sign_out().await?;
    }
    plain.session.sign_out().await?;
    noted.session.sign_out().await?;
    let [postgres, polder, ..] = &figures;
    if postgres.latencies.is_empty() || (served.is_some() && polder.latencies.is_empty()) {
        bail!("nothing was measured; give it a round");
    }
    Ok(figures.into())
}

/// What the disk takes for a record, by itself.
fn durable(folder: &Path, round: usize, number: u64) -> Result<Duration> {
    let folder = folder.join("durable");
    std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let path = folder.join(format!("{round}-{number}"));
    let step = || format!("write {}", path.display());
    let began = Instant::now();
    let mut file = File::create_new(&path).with_context(step)?;
    file.write_all(&[7; 1024]).and_then(|()| file.sync_all()).with_context(step)?;
    File::open(&folder).and_then(|folder| folder.sync_all()).with_context(step)?;
    Ok(began.elapsed())
}
