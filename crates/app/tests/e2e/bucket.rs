//! The sealed store under a prefix of a bucket: moto's server holds it, and the machine that writes may change.

use std::path::Path;

use crate::harness::{Project, Ran, copy, ran, seeds};
use crate::servers::s3::Moto;

const PEOPLE: &str = "1,Ann Lagarde,31,x\n2,Bea Muster,42,x\n3,Carl Exemple,NA,x\n";
const MORE: &str = "4,Dora Nouvelle,55,x\n5,Emil Weiter,61,x\n";

/// A project whose store is in a bucket, with the keys to it beside it.
struct Shop {
    project: Project,
    moto: Moto,
}

fn init(project: &Project, moto: &Moto, location: &str, more: &[&str]) -> Ran {
    for (file, secret) in [("id", "AKIAshopshop"), ("key", "planted-secret-key\n")] {
        std::fs::write(project.beside(file), secret).unwrap();
    }
    let reference = |file: &str| format!("file:{}", project.beside(file).display());
    let mut command = project.command(&["init"]);
    command.arg(project.dir()).arg("--key-file").arg(project.key_file()).args([
        "--s3",
        location,
        "--endpoint",
        moto.url(),
        "--plain-loopback",
    ]);
    command.args(["--access-key-id", &reference("id"), "--secret-access-key", &reference("key")]);
    command.arg("--temporary").arg(project.beside("machine")).args(more);
    ran(command.output().unwrap())
}

impl Shop {
    fn new() -> Self {
        let (project, moto) = (Project::bare(), Moto::start());
        moto.bucket("lake");
        init(&project, &moto, "lake/polder/shop", &[]).ok();
        Self { project, moto }
    }

    fn bytes_of_the_bucket(&self) -> Vec<(String, Vec<u8>)> {
        let keys = self.moto.keys("lake").into_iter();
        keys.map(|key| (key.clone(), self.moto.object("lake", &key))).collect()
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn a_store_in_a_bucket_is_made_loaded_asked_and_proved_and_shows_nothing() {
    let shop = Shop::new();
    assert!(!shop.project.store().exists());
    shop.project.people(PEOPLE);
    shop.project.run(&["run"]).ok();
    assert_eq!(shop.project.rows("select name from people order by id"), ["Ann Lagarde", "Bea Muster", "Carl Exemple"]);
    let doctor = shop.project.run(&["doctor"]);
    assert!(doctor.out.contains("s3://lake/polder/shop at http://localhost:"), "{}", doctor.out);
    shop.project.run(&["keys", "rotate", "--table", "people"]).ok();
    shop.project.run(&["keys", "reencrypt", "--table", "people"]).ok();
    shop.project.run(&["audit", "verify"]).ok();

    let objects = shop.bytes_of_the_bucket();
    assert!(objects.iter().all(|(key, _)| key.starts_with("polder/shop/")) && objects.len() > 10);
    for (key, bytes) in &objects {
        for plain in ["Lagarde", "people", "name", "planted-secret-key"] {
            assert!(!holds(bytes, plain) && !holds(key.as_bytes(), plain), "{plain} in {key}");
        }
    }
    // A byte that someone changes there is found, and named.
    let victim = objects.iter().map(|(key, _)| key).find(|key| key.ends_with(".parquet")).unwrap();
    let mut bytes = shop.moto.object("lake", victim);
    *bytes.last_mut().unwrap() ^= 1;
    let changed = shop.project.beside("changed");
    std::fs::write(&changed, bytes).unwrap();
    shop.moto.put("lake", victim, &changed);
    let told = shop.project.run(&["audit", "verify"]);
    assert_eq!(told.code, Some(6), "{}{}", told.out, told.err);
    assert!(format!("{}{}", told.out, told.err).contains(victim.strip_prefix("polder/shop/").unwrap()));
}

/// What another machine has: the project as it is in git, the root key, and the keys to the bucket.
#[test]
fn a_run_goes_on_from_an_empty_machine() {
    let shop = Shop::new();
    shop.project.people(PEOPLE);
    shop.project.run(&["run"]).ok();
    let other = Project::bare();
    copy(&shop.project.dir(), &other.dir());
    for (from, to) in [
        (shop.project.key_file(), other.key_file()),
        (shop.project.beside("id"), other.beside("id")),
        (shop.project.beside("key"), other.beside("key")),
    ] {
        std::fs::copy(from, to).unwrap();
    }
    let root = |project: &Project| project.beside(".").canonicalize().unwrap().display().to_string();
    let settings = std::fs::read_to_string(other.dir().join("polder.yaml")).unwrap();
    let here = shop.project.dir().parent().unwrap().display().to_string();
    other.write("polder.yaml", settings.replace(&here, &root(&other)));
    std::fs::remove_dir_all(shop.project.dir()).unwrap();
    std::fs::remove_dir_all(shop.project.beside("machine")).unwrap();

    assert!(!other.beside("machine").exists());
    assert_eq!(other.rows("select count(*) from people"), ["3"]);
    other.write("data/people-2.csv", format!("id,name,age,secret\n{MORE}"));
    other.run(&["run"]).ok();
    assert_eq!(other.rows("select count(*) from people"), ["5"], "no row is lost, and none doubled");
    other.run(&["audit", "verify"]).ok();
}

/// On one machine a run that is killed is followed at once; whatever it was about to do to the storage, nothing is half done.
#[test]
fn a_run_that_is_killed_before_any_request_is_made_good_by_the_next() {
    let shop = Shop::new();
    shop.project.people(PEOPLE);
    shop.project.run(&["run"]).ok();
    let undisturbed = shop.project.rows("select id, name, age from people order by id");
    let mut killed = 0;
    for seed in 0..seeds(6, 60) {
        let id = 100 + seed;
        shop.project.write(&format!("data/people-{id}.csv"), format!("id,name,age,secret\n{id},Zoe Zuletzt,30,x\n"));
        let died = shop.project.run(&["run", "--kill-at", &format!("store#{}", 3 + seed * 7 % 53)]);
        killed += u32::from(died.signal == Some(9));
        shop.project.run(&["run"]).ok();
        let rows = shop.project.rows("select id, name, age from people order by id");
        assert_eq!(rows.len(), undisturbed.len() + usize::try_from(seed).unwrap() + 1, "seed {seed}");
        assert_eq!(rows[..undisturbed.len()], undisturbed);
    }
    assert!(killed > 2, "{killed}");
    shop.project.run(&["audit", "verify"]).ok();
}

#[test]
fn a_bucket_that_cannot_be_had_is_told_before_anything_is_made() {
    let (project, moto) = (Project::bare(), Moto::start());
    moto.bucket("lake");
    let file = project.beside("file");
    std::fs::write(&file, "x").unwrap();
    moto.put("lake", "used/by/others", &file);
    let nothing_made = |project: &Project| {
        assert!(!project.key_file().exists() && !project.dir().join("polder.yaml").exists());
    };
    let err = init(&project, &moto, "lake/used", &[]).fails(2);
    assert!(err.contains("create store s3://lake/used: objects lie there already"), "{err}");
    nothing_made(&project);
    let err = init(&project, &moto, "none/used", &[]).fails(4);
    assert!(err.contains("there is no such bucket"), "{err}");
    nothing_made(&project);
    let err = init(&project, &moto, "lake//x", &[]).fails(2);
    assert!(err.contains("take --s3: ") && !err.contains("planted-secret-key"), "{err}");
    nothing_made(&project);
    let mut plain = project.command(&["init"]);
    plain.arg(project.dir()).args([
        "--s3",
        "lake/x",
        "--region",
        "eu-west-3",
        "--access-key-id",
        "AKIAplain",
        "--secret-access-key",
        "geheim",
    ]);
    let err = ran(plain.output().unwrap()).fails(2);
    assert!(err.contains("it is no reference") && !err.contains("AKIAplain") && !err.contains("geheim"), "{err}");
    nothing_made(&project);
    init(&project, &moto, "lake/us", &[]).ok();
    assert!(Path::new(&project.key_file()).exists());
}
