//! Turns, threads and their ends, over a real installation.

use std::sync::Arc;

use clap::Parser as _;
use polder_types::{ErrorKind, RunId};
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::*;
use crate::cli::{Cli, Command};
use crate::hosted;
use crate::project::Project;

const RUN: RunId = RunId([7; 16]);

async fn inside() -> (TempDir, Arc<Inside>) {
    let dir = tempfile::tempdir().unwrap();
    let (project, key) = (dir.path().join("project"), dir.path().join("keys/root.key"));
    let words = ["polder", "init", project.to_str().unwrap(), "--key-file", key.to_str().unwrap()];
    let Command::Init(args) = Cli::parse_from(words).command else { panic!("it is `init`") };
    crate::command::init::init(&args).await.unwrap();
    let installation = Installation::open(Project::find(Some(&project), "default").unwrap(), None).await.unwrap();
    let identities = Arc::new(Identities::open(&installation).await.unwrap());
    (dir, Inside::new(Arc::new(installation), identities, Arc::default()))
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_change_tables_have_their_turn_one_after_another() {
    let (_dir, inside) = inside().await;
    let turn = inside.turn(None).await.unwrap();
    let late = inside.turn(Some(0)).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Busy);
    drop(turn);
    inside.turn(Some(0)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_on_is_ended_by_its_run_and_nothing_else_is() {
    let (_dir, inside) = inside().await;
    let ((begun, began), (told, came)) = (oneshot::channel(), oneshot::channel());
    let work = move |runtime: &Handle| {
        runtime.block_on(async {
            let host = hosted::current().unwrap();
            let _at = host.at(RUN);
            begun.send(()).unwrap();
            host.ends().told().await
        })
    };
    let other = StopHandle::default();
    let _going = inside.goes_on(other.clone());
    inside.begin(StopHandle::default(), work, move |came| told.send(came).unwrap()).unwrap();
    began.await.unwrap();
    assert!(!inside.cancel(RunId([8; 16])));
    assert!(inside.cancel(RUN));
    assert_eq!(came.await.unwrap(), Some(Told::Interrupt));
    assert!(!inside.cancel(RUN), "it has ended");
    // The other one hears what is said to all.
    inside.ask_all();
    assert_eq!(other.ends().told().await, Told::Terminate);
    inside.at_once_all();
    other.ends().at_once().await;
}

fn defect() {
    panic!("a defect");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_that_panics_gives_its_turn_back() {
    let (_dir, inside) = inside().await;
    let (told, came) = oneshot::channel();
    let work = |runtime: &Handle| {
        let host = hosted::current().unwrap();
        let _turn = runtime.block_on(host.turn(None)).unwrap();
        let _at = host.at(RUN);
        defect();
    };
    inside.begin(StopHandle::default(), work, move |came| told.send(came).unwrap()).unwrap();
    assert_eq!(came.await.unwrap(), None);
    inside.turn(Some(0)).await.unwrap();
    assert!(!inside.cancel(RUN));
}

/// What nobody called asks nobody, and prints where the server does.
#[tokio::test(flavor = "multi_thread")]
async fn at_a_run_nobody_can_be_asked() {
    let (_dir, inside) = inside().await;
    let (told, came) = oneshot::channel();
    let work = |_: &Handle| {
        let refused =
            hosted::input(10).is_err() && hosted::ask("who? ").is_err() && hosted::ask_hidden("what? ").is_some_and(|asked| asked.is_err());
        (refused, hosted::is_terminal(), hosted::current().is_some_and(|host| host.is_closed()))
    };
    inside.begin(StopHandle::default(), work, move |came| told.send(came).unwrap()).unwrap();
    assert_eq!(came.await.unwrap(), Some((true, false, false)));
}
