//! A shelf in memory whose every step can be made to fail, before or after it took effect.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::shelf::{Fault, Room, Shelf};

type Objects = BTreeMap<(&'static str, String), Bytes>;

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Works,
    /// Nothing happens, and an error is returned.
    FailsBefore,
    /// It happens, and an error is returned.
    FailsAfter,
}

type Plan = Box<dyn FnMut(&str) -> Outcome + Send>;

#[derive(Default)]
pub(crate) struct MemoryShelf {
    pub(crate) objects: Mutex<Objects>,
    plan: Mutex<Option<Plan>>,
    /// Bytes that still fit; `None` without a limit.
    pub(crate) room_bytes: Mutex<Option<u64>>,
    pub(crate) reserve_bytes: Mutex<u64>,
    pub(crate) reserve_wanted_bytes: Mutex<u64>,
    pub(crate) keyring: Mutex<u64>,
    /// Steps that were begun, as `create journal/batch/...`.
    pub(crate) steps: Mutex<Vec<String>>,
    /// When set, a create of what begins so waits for a permit.
    pub(crate) gate: Mutex<Option<(&'static str, Arc<Semaphore>)>>,
}

fn room_name(room: Room) -> &'static str {
    match room {
        Room::Journal => "journal",
        Room::Private => "private",
        Room::State => "state",
    }
}

impl MemoryShelf {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { keyring: Mutex::new(1), ..Self::default() })
    }

    /// Another process's shelf on a copy of the same objects, without faults.
    pub(crate) fn copy(&self) -> Arc<Self> {
        let new = Self::new();
        *new.objects.lock() = self.objects.lock().clone();
        new
    }

    /// What the n-th step of this text's beginning (from 0) does.
    pub(crate) fn fail(&self, prefix: &'static str, nth: usize, outcome: Outcome) {
        let mut seen = 0;
        self.plan(move |step| {
            if !step.starts_with(prefix) {
                return Outcome::Works;
            }
            seen += 1;
            if seen == nth + 1 { outcome } else { Outcome::Works }
        });
    }

    pub(crate) fn plan(&self, plan: impl FnMut(&str) -> Outcome + Send + 'static) {
        *self.plan.lock() = Some(Box::new(plan));
    }

    pub(crate) fn heal(&self) {
        *self.plan.lock() = None;
    }

    pub(crate) fn names(&self, room: &str, under: &str) -> Vec<String> {
        self.objects.lock().keys().filter(|(at, name)| *at == room && name.starts_with(under)).map(|(_, name)| name.clone()).collect()
    }

    fn step(&self, what: &str, room: Room, rest: &str) -> Outcome {
        let step = format!("{what} {}/{rest}", room_name(room));
        let outcome = self.plan.lock().as_mut().map_or(Outcome::Works, |plan| plan(&step));
        self.steps.lock().push(step);
        outcome
    }
}

fn failed() -> Fault {
    Fault::Failed("injected".into())
}

#[async_trait]
impl Shelf for MemoryShelf {
    fn path(&self, room: Room, rest: &str) -> String {
        format!("{}/{rest}", room_name(room))
    }

    async fn create(&self, room: Room, rest: &str, bytes: Bytes) -> Result<(), Fault> {
        let gate = self.gate.lock().clone();
        if let Some((prefix, gate)) = gate
            && rest.starts_with(prefix)
        {
            gate.acquire().await.unwrap().forget();
        }
        let outcome = self.step("create", room, rest);
        if outcome == Outcome::FailsBefore {
            return Err(failed());
        }
        let mut objects = self.objects.lock();
        if objects.contains_key(&(room_name(room), rest.to_owned())) {
            return Err(Fault::Exists);
        }
        if let Some(left) = self.room_bytes.lock().as_mut() {
            let need = bytes.len() as u64;
            if *left < need {
                return Err(Fault::Full("no space".into()));
            }
            *left -= need;
        }
        objects.insert((room_name(room), rest.to_owned()), bytes);
        if outcome == Outcome::FailsAfter { Err(failed()) } else { Ok(()) }
    }

    async fn read(&self, room: Room, rest: &str) -> Result<Bytes, Fault> {
        if self.step("read", room, rest) != Outcome::Works {
            return Err(failed());
        }
        self.objects.lock().get(&(room_name(room), rest.to_owned())).cloned().ok_or(Fault::NotFound)
    }

    async fn exists(&self, room: Room, rest: &str) -> Result<bool, Fault> {
        if self.step("exists", room, rest) != Outcome::Works {
            return Err(failed());
        }
        Ok(self.objects.lock().contains_key(&(room_name(room), rest.to_owned())))
    }

    async fn list(&self, room: Room, under: &str) -> Result<Vec<String>, Fault> {
        if self.step("list", room, under) != Outcome::Works {
            return Err(failed());
        }
        let prefix = if under.is_empty() { String::new() } else { format!("{under}/") };
        Ok(self.names(room_name(room), &prefix).iter().map(|name| name[prefix.len()..].to_owned()).collect())
    }

    async fn delete(&self, room: Room, rests: Vec<String>) -> Result<(), Fault> {
        for rest in rests {
            let outcome = self.step("delete", room, &rest);
            if outcome == Outcome::FailsBefore {
                return Err(failed());
            }
            let gone = self.objects.lock().remove(&(room_name(room), rest));
            if let (Some(left), Some(gone)) = (self.room_bytes.lock().as_mut(), gone) {
                *left += gone.len() as u64;
            }
            if outcome == Outcome::FailsAfter {
                return Err(failed());
            }
        }
        Ok(())
    }

    fn keyring_version(&self) -> u64 {
        *self.keyring.lock()
    }

    async fn newest_keyring(&self) -> Result<u64, Fault> {
        Ok(*self.keyring.lock())
    }

    async fn release_reserve(&self) -> Result<(), Fault> {
        let mut reserve = self.reserve_bytes.lock();
        let piece = (*reserve).min(20_000);
        if piece == 0 {
            return Err(Fault::Full("the reserve is used up".into()));
        }
        *reserve -= piece;
        if let Some(left) = self.room_bytes.lock().as_mut() {
            *left += piece;
        }
        Ok(())
    }

    async fn restore_reserve(&self) -> Result<(), Fault> {
        let mut reserve = self.reserve_bytes.lock();
        let need = *self.reserve_wanted_bytes.lock() - *reserve;
        if let Some(left) = self.room_bytes.lock().as_mut() {
            if *left < need {
                return Err(Fault::Full("no space for the reserve".into()));
            }
            *left -= need;
        }
        *reserve += need;
        Ok(())
    }
}
