//! A real SIGKILL at each step of each change, then everything opens.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

const DIRECTORY: &str = "POLDER_KEYS_KILL_DIRECTORY";
const STEP: &str = "POLDER_KEYS_KILL_STEP";
const CHANGE: &str = "POLDER_KEYS_KILL_CHANGE";

/// Counts the steps around each write and delete of the vault beneath, and kills this process at one.
struct Deadly {
    vault: Directory,
    steps_left: AtomicU32,
}

impl Deadly {
    fn step(&self) {
        if self.steps_left.fetch_sub(1, Ordering::SeqCst) == 1 {
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
        }
    }
}

#[async_trait]
impl KeyringVault for Deadly {
    async fn versions(&self) -> Result<Vec<u64>, Error> {
        self.vault.versions().await
    }
    async fn read(&self, version: u64) -> Result<Vec<u8>, Error> {
        self.vault.read(version).await
    }
    async fn create(&self, version: u64, bytes: Vec<u8>) -> Result<(), Error> {
        self.step();
        let created = self.vault.create(version, bytes).await;
        self.step();
        created
    }
    async fn delete(&self, version: u64) -> Result<(), Error> {
        self.step();
        let deleted = self.vault.delete(version).await;
        self.step();
        deleted
    }
}

async fn change(keys: &Keys, what: &str) {
    let flights = keys.find("table:flights").unwrap();
    match what {
        "add" => drop(keys.add_dataset("table:weather").await.unwrap()),
        "dataset" => drop(keys.rotate_dataset(flights).await.unwrap()),
        "root" => keys.rotate_root(None).await.unwrap(),
        other => panic!("{other}"),
    }
}

/// In the child: opens the directory that the parent made, changes it, and is killed on the way.
async fn child(directory: &Path) {
    let step: u32 = std::env::var(STEP).unwrap().parse().unwrap();
    let vault = Arc::new(Deadly { vault: Directory(directory.join("keyring")), steps_left: AtomicU32::new(step) });
    let custody = Arc::new(LocalCustody::open_key_file(&directory.join("root.key")).unwrap());
    let keys = Keys::open(custody, vault, Arc::new(ManualClock::new(NOW_MS)), Arc::new(SystemRng)).await.unwrap();
    change(&keys, &std::env::var(CHANGE).unwrap()).await;
}

#[tokio::test]
async fn a_kill_at_any_step_of_a_change_leaves_keys_that_open() {
    if let Ok(directory) = std::env::var(DIRECTORY) {
        return child(Path::new(&directory)).await;
    }
    for what in ["add", "dataset", "root"] {
        let mut killed = 0;
        for step in 1.. {
            let place = Place::new();
            let keys = place.create().await;
            keys.rotate_dataset(keys.find("table:flights").unwrap()).await.unwrap();
            let before = everything(&keys);
            let status = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "tests::kill::a_kill_at_any_step_of_a_change_leaves_keys_that_open", "--nocapture"])
                .env(DIRECTORY, place.path("."))
                .env(STEP, step.to_string())
                .env(CHANGE, what)
                .stdout(std::process::Stdio::null())
                .status()
                .unwrap();
            let opened = place.open().await.unwrap_or_else(|error| panic!("{what} killed at step {step}: {error}"));
            let after = everything(&opened);
            assert!(before.iter().filter(|line| !line.starts_with("DatasetInfo")).all(|line| after.contains(line)), "no key is lost");
            change(&opened, what).await;
            assert_eq!(everything(&place.open().await.unwrap()), everything(&opened));
            if what == "root" {
                assert!(!place.path("root.key.next").exists());
                assert_eq!(everything(&opened), before);
            }
            if status.success() {
                break;
            }
            use std::os::unix::process::ExitStatusExt;
            assert_eq!(status.signal(), Some(9));
            killed += 1;
        }
        // Before and after the write, and around the deletion of at least one older version.
        assert!(killed >= 4, "{what}: {killed}");
    }
}

#[tokio::test]
async fn a_rotation_whose_answer_was_lost_is_taken_up() {
    struct Deaf(Directory);
    #[async_trait]
    impl KeyringVault for Deaf {
        async fn versions(&self) -> Result<Vec<u64>, Error> {
            self.0.versions().await
        }
        async fn read(&self, version: u64) -> Result<Vec<u8>, Error> {
            self.0.read(version).await
        }
        async fn create(&self, version: u64, bytes: Vec<u8>) -> Result<(), Error> {
            self.0.create(version, bytes).await?;
            let kind = ErrorKind::Unavailable;
            Err(Error::Vault { step: "write", version: Some(version), kind, source: None })
        }
        async fn delete(&self, version: u64) -> Result<(), Error> {
            self.0.delete(version).await
        }
    }
    let place = Place::new();
    let before = everything(&place.create().await);
    let vault = Arc::new(Deaf(Directory(place.path("keyring"))));
    let keys = Keys::open(place.custody(), vault, place.clock(), Arc::clone(&place.rng)).await.unwrap();
    assert_eq!(keys.rotate_root(None).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(place.path("root.key.next").exists());
    keys.renew().await.unwrap();
    assert!(!place.path("root.key.next").exists(), "its root took its place");
    assert_eq!(everything(&keys), before);
    assert_eq!(everything(&place.open().await.unwrap()), before);
    // Tried again at once, twice: the root that is staged is the only one that opens what was written, and is not thrown away.
    for _ in 0..2 {
        assert_eq!(keys.rotate_root(None).await.unwrap_err().kind(), ErrorKind::Unavailable);
        assert!(place.path("root.key.next").exists());
    }
    assert_eq!(everything(&place.open().await.unwrap()), before);
}
