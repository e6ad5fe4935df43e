//! Sources whose files lie in a bucket: moto's server holds them, and a proxy before it does what networks and storages do.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Project, ran, seeds};
use crate::servers::certificates::Tls;
use crate::servers::s3::Moto;
use crate::servers::s3_proxy::{Fault, Proxy};
use crate::watch::Watch;

const SECRET: &str = "planted-secret-key";
const KEY_ID: &str = "AKIAplantedplanted";

/// moto looks whether there is a signature, and at nothing in it.
const SIGNED: &str = "Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";

/// Puts an object where moto listens, as others do.
#[track_caller]
fn put(port: u16, key: &str, bytes: &[u8]) {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    let head = format!("PUT /lake/{key} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{SIGNED}\r\nConnection: close\r\n");
    write!(stream, "{head}Content-Length: {}\r\n\r\n", bytes.len()).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// A project, a storage with the bucket `lake`, and the keys to it beside the project.
struct Feed {
    project: Project,
    moto: Moto,
}

impl Feed {
    fn new() -> Self {
        let (project, moto) = (Project::new(), Moto::start());
        moto.bucket("lake");
        for (file, secret) in [("id", KEY_ID), ("key", SECRET)] {
            std::fs::write(project.beside(file), format!("{secret}\n")).unwrap();
        }
        Self { project, moto }
    }

    /// One whose table is `pets`, with a column `pet`.
    fn of_pets() -> Self {
        let feed = Self::new();
        feed.project.pets("");
        std::fs::remove_dir_all(feed.project.dir().join("data")).unwrap();
        feed.pets_by(feed.moto.url());
        feed
    }

    fn put(&self, key: &str, bytes: impl AsRef<[u8]>) {
        put(self.moto.port(), key, bytes.as_ref());
    }

    fn reference(&self, file: &str) -> String {
        format!("file:{}", self.project.beside(file).display())
    }

    fn source(&self, name: &str, ty: &str, path: &str, url: &str, datasets: &str) {
        let keys =
            [("access_key_id", "id"), ("secret_access_key", "key")].map(|(key, file)| format!("  {key}: {}\n", self.reference(file)));
        let s3 = format!("s3:\n  endpoint: {url}\n  plain_loopback: true\n{}", keys.concat());
        self.project.write(&format!("sources/{name}.yaml"), format!("type: {ty}\npath: {path}\n{s3}datasets:\n  {datasets}\n"));
    }

    fn pets_by(&self, url: &str) {
        self.source("zoo", "csv", "s3://lake/in", url, "pets: {file: 'pets*.csv'}");
    }

    /// What became of the one batch of a run.
    #[track_caller]
    fn batch(&self) -> Value {
        self.project.json(&["run"])["batches"][0].take()
    }

    fn pets(&self) -> Vec<String> {
        self.project.rows("select pet from pets order by pet")
    }
}

fn below(dir: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { below(&path, files) } else { files.push(path) }
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// No file of the project holds any of these texts in the clear.
#[track_caller]
fn nothing_shows(project: &Project, texts: &[&str]) {
    let mut files = Vec::new();
    below(&project.dir(), &mut files);
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        for text in texts {
            assert!(!holds(&bytes, text), "{text} in {}", file.display());
        }
    }
}

fn people_as_parquet() -> Vec<u8> {
    let texts = |texts: [&str; 3]| -> ArrayRef { Arc::new(StringArray::from_iter_values(texts)) };
    let batch = RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3])) as ArrayRef),
        ("name", texts(["Ann Lagarde", "Bea Muster", "Carl Exemple"])),
        ("age", Arc::new(Int64Array::from(vec![Some(31), Some(42), None])) as ArrayRef),
        ("secret", texts(["x", "y", "z"])),
    ]);
    let (batch, mut bytes) = (batch.unwrap(), Vec::new());
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

#[test]
fn csv_ndjson_and_parquet_objects_become_the_rows_that_they_hold() {
    let csv = "id,name,age,secret\n1,Ann Lagarde,31,x\n2,Bea Muster,42,y\n3,Carl Exemple,NA,z\n";
    let ndjson = "{\"id\":1,\"name\":\"Ann Lagarde\",\"age\":31,\"secret\":\"x\"}\n{\"id\":2,\"name\":\"Bea Muster\",\"age\":42,\"secret\":\"y\"}\n{\"id\":3,\"name\":\"Carl Exemple\",\"age\":null,\"secret\":\"z\"}\n";
    for (ty, file, bytes, keys) in [
        ("csv", "people.csv", csv.as_bytes().to_vec(), ", null: [NA]"),
        ("ndjson", "people.ndjson", ndjson.as_bytes().to_vec(), ""),
        ("parquet", "people.parquet", people_as_parquet(), ""),
    ] {
        let feed = Feed::new();
        feed.project.people("");
        std::fs::remove_dir_all(feed.project.dir().join("data")).unwrap();
        feed.put(&format!("in/2026/{file}"), bytes);
        feed.put("in/2026/_SUCCESS", "");
        feed.source("files", ty, "s3://lake/in", feed.moto.url(), &format!("people: {{file: '**/people*'{keys}}}"));
        let out = feed.project.run(&["run"]).ok();
        assert!(
            out.contains("3 read = 3 loaded") && out.contains("left outside, since no contract authorises them: secret"),
            "{ty}: {out}"
        );
        let rows = feed.project.rows("select id, name, age from people order by id");
        assert_eq!(rows, ["1,Ann Lagarde,31", "2,Bea Muster,42", "3,Carl Exemple,"], "{ty}");
        nothing_shows(&feed.project, &["Lagarde", "Muster", SECRET, KEY_ID]);
        feed.project.run(&["audit", "verify"]).ok();
        let listed = feed.project.run(&["source", "list"]).ok();
        assert!(listed.contains("s3://lake/in"), "{listed}");
    }
}

#[test]
fn an_object_is_loaded_once_and_one_that_changed_is_refused() {
    let feed = Feed::of_pets();
    feed.put("in/pets1.csv", "pet\ncat\ndog\n");
    let report = feed.batch();
    assert_eq!((&report["status"], &report["counts"]["loaded"]), (&json!("committed"), &json!(2)));
    assert_eq!(feed.batch()["status"], "unchanged");
    // Another object, a copy of the first one, and the first one put there again as it was.
    feed.put("in/pets2.csv", "pet\ncow\nfox\nhen\n");
    feed.put("in/pets3.csv", "pet\ncat\ndog\n");
    feed.put("in/pets1.csv", "pet\ncat\ndog\n");
    let report = feed.batch();
    assert_eq!((&report["status"], &report["files"], &report["counts"]["loaded"]), (&json!("committed"), &json!(1), &json!(3)));
    assert_eq!(report["already_loaded"], json!([{"file": "pets3.csv", "loaded_as": "pets1.csv"}]));
    assert_eq!(feed.pets(), ["cat", "cow", "dog", "fox", "hen"]);
    assert_eq!(feed.batch()["status"], "unchanged");
    // As long as before, and maybe within the same second.
    feed.put("in/pets2.csv", "pet\ncow\nfox\nHEN\n");
    let err = feed.project.run(&["run"]).fails(3);
    assert!(err.contains("append pets2.csv: it changed since it was loaded"), "{err}");
    assert_eq!(feed.pets(), ["cat", "cow", "dog", "fox", "hen"]);
}

#[test]
fn a_listing_of_more_than_a_page_is_read_whole_and_what_is_known_is_not_read_again() {
    let feed = Feed::of_pets();
    let objects = feed.project.beside("objects");
    std::fs::create_dir(&objects).unwrap();
    for number in 0..1200 {
        std::fs::write(objects.join(format!("pets-{number:04}.csv")), format!("pet\npet{number:04}\n")).unwrap();
    }
    feed.moto.put_all("lake", "in/", &objects);
    assert_eq!(feed.batch()["counts"]["loaded"], 1200);
    let wanted: Vec<String> = (0..1200).map(|number| format!("pet{number:04}")).collect();
    assert_eq!(feed.pets(), wanted);
    let proxy = Proxy::new(feed.moto.port(), |_| Fault::None);
    feed.pets_by(&proxy.url());
    assert_eq!(feed.batch()["status"], "unchanged");
    let seen = proxy.seen();
    assert!(seen.iter().all(|(asked, _)| asked.contains("list-type=2")), "{seen:?}");
    assert_eq!(seen.iter().filter(|(asked, _)| asked.contains("continuation-token")).count(), 1, "{seen:?}");
}

/// Faults by a seed, at most two of them one behind the other, so that each request comes through in the end.
fn faults(seed: u64) -> impl FnMut(&str) -> Fault + Send {
    const FAULTS: [Fault; 6] = [Fault::LostRequest, Fault::LostAnswer, Fault::Error, Fault::SlowDown, Fault::Cut, Fault::Slow];
    let (mut state, mut in_a_row) = (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, 0);
    move |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        if in_a_row == 2 || state % 5 < 2 {
            in_a_row = 0;
            return Fault::None;
        }
        in_a_row += 1;
        FAULTS[(state / 5 % 6) as usize]
    }
}

#[test]
fn a_storage_and_a_network_in_trouble_cost_time_and_no_row() {
    let feed = Feed::of_pets();
    let mut wanted = Vec::new();
    let mut met = Vec::new();
    for seed in 1..=seeds(4, 40) {
        let rows: Vec<String> = (0..4000).map(|row| format!("pet{seed:02}-{:06}", row * 7919 % 100_003)).collect();
        feed.put(&format!("in/pets-{seed:02}.csv"), format!("pet\n{}\n", rows.join("\n")));
        wanted.extend(rows);
        let proxy = Proxy::new(feed.moto.port(), faults(seed));
        feed.pets_by(&proxy.url());
        let report = feed.batch();
        assert_eq!(report["counts"]["loaded"], 4000, "seed {seed}: {report}");
        met.extend(proxy.seen().into_iter().map(|(_, fault)| fault).filter(|fault| *fault != Fault::None));
    }
    assert!(met.len() >= 4, "{met:?}");
    wanted.sort();
    assert_eq!(feed.pets(), wanted);
    feed.pets_by(feed.moto.url());
    assert_eq!(feed.batch()["status"], "unchanged");
    feed.project.run(&["audit", "verify"]).ok();
}

#[test]
fn a_storage_that_cannot_be_had_is_told_and_a_later_run_may_cure_it() {
    let feed = Feed::of_pets();
    feed.put("in/pets.csv", "pet\ncat\n");
    feed.pets_by("http://localhost:1");
    let err = feed.project.run(&["run"]).fails(4);
    assert!(err.contains("list s3://lake/in/pets: no connection to the storage") && err.contains("check `endpoint`"), "{err}");
    feed.pets_by(feed.moto.url());
    assert_eq!(feed.batch()["counts"]["loaded"], 1);
}

#[test]
fn what_the_storage_refuses_is_told_as_what_it_is_and_no_key_is() {
    let feed = Feed::of_pets();
    feed.put("in/pets.csv", "pet\ncat\n");
    let told = |code: i32, wanted: &str| {
        let run = feed.project.run(&["run"]);
        assert!(!format!("{}{}", run.out, run.err).contains("planted"), "{run:?}");
        let err = run.fails(code);
        assert!(err.contains(wanted), "{err}");
    };
    let of_objects = |head: &str, code: &'static str| if head.contains("list-type") { Fault::None } else { Fault::Forbidden(code) };
    let proxy = Proxy::new(feed.moto.port(), |_| Fault::Forbidden("SignatureDoesNotMatch"));
    feed.pets_by(&proxy.url());
    told(7, "the storage does not take the keys; check what `access_key_id`, `secret_access_key` and `session_token` of the source name");
    let proxy = Proxy::new(feed.moto.port(), |_| Fault::Forbidden("AccessDenied"));
    feed.pets_by(&proxy.url());
    told(7, "give it the right s3:ListBucket");
    let proxy = Proxy::new(feed.moto.port(), move |head| of_objects(head, "AccessDenied"));
    feed.pets_by(&proxy.url());
    told(7, "read s3://lake/in/pets.csv: the storage answered 403 (AccessDenied)");
    feed.source("zoo", "csv", "s3://nowhere/in", feed.moto.url(), "pets: {file: 'pets*.csv'}");
    told(2, "there is no such bucket; make it, or correct `path` and `endpoint` of the source");
    feed.source("zoo", "csv", "s3://lake/in", "http://minio.example:9000", "pets: {file: 'pets*.csv'}");
    told(2, "sources/zoo.yaml, line 4: `endpoint`: plain HTTP to minio.example");
    feed.source("zoo", "csv", "s3://lake/in", feed.moto.url(), "pets: {file: 'none*.csv'}");
    told(4, "nothing matches none*.csv in s3://lake/in");
    feed.pets_by(feed.moto.url());
    std::fs::remove_file(feed.project.beside("key")).unwrap();
    told(4, "read the secret file");
    nothing_shows(&feed.project, &[SECRET, KEY_ID]);
    std::fs::write(feed.project.beside("key"), SECRET).unwrap();
    assert_eq!(feed.batch()["counts"]["loaded"], 1);
}

/// Of each object one version is read, or nothing.
#[test]
fn an_object_that_is_replaced_under_the_reader_fails_the_load() {
    let long = |word: &str| format!("pet\n{}\n", (0..300_000).map(|row| format!("{word}{row:06}")).collect::<Vec<_>>().join("\n"));
    // Between the listing and the reading, and between two ranges of it.
    for (at, before, after) in [(1, "pet\ncat\n".to_owned(), "pet\ncow\n".to_owned()), (2, long("cat"), long("cow"))] {
        let feed = Feed::of_pets();
        feed.put("in/pets.csv", &before);
        let (port, mut reads, replacement) = (feed.moto.port(), 0, after.clone());
        let proxy = Proxy::new(port, move |head| {
            reads += u32::from(!head.contains("list-type"));
            if reads == at && !head.contains("list-type") {
                put(port, "in/pets.csv", replacement.as_bytes());
            }
            Fault::None
        });
        feed.pets_by(&proxy.url());
        let err = feed.project.run(&["run"]).fails(4);
        assert!(err.contains("read s3://lake/in/pets.csv: it changed while it was read, so nothing of it counts"), "{err}");
        assert_eq!(feed.project.run(&["table", "list", "--output", "json"]).ok(), "[]\n");
        feed.project.run(&["run"]).ok();
        let wanted = after.lines().count() - 1;
        assert_eq!(feed.project.rows("select count(*) from pets where pet like 'cow%'"), [wanted.to_string()]);
        assert_eq!(feed.project.rows("select count(*) from pets"), [wanted.to_string()]);
    }
}

#[test]
fn a_bucket_is_reached_by_verified_tls_and_through_nobody() {
    let (project, moto) = (Project::new(), Moto::with(Tls::Trusted));
    moto.bucket("lake");
    let object = project.beside("object");
    std::fs::write(&object, "pet\ncat\n").unwrap();
    moto.put("lake", "in/pets.csv", &object);
    project.pets("");
    let source = |ca: &str| {
        let keys = "access_key_id: env:FEED_ID, secret_access_key: env:FEED_KEY";
        let text = format!("type: csv\npath: s3://lake/in\ns3: {{endpoint: '{}', {keys}{ca}}}\ndatasets:\n  pets: {{}}\n", moto.url());
        project.write("sources/zoo.yaml", text);
    };
    // What the environment says of proxies and of keys is for others.
    let run = || {
        let mut command = project.command(&["run"]);
        command.env("FEED_ID", KEY_ID).env("FEED_KEY", SECRET);
        for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"] {
            command.env(variable, "http://127.0.0.1:1");
        }
        command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:1").env("AWS_ACCESS_KEY_ID", "x").env("AWS_SECRET_ACCESS_KEY", "x");
        ran(command.output().unwrap())
    };
    source("");
    let err = run().fails(4);
    assert!(err.contains("the storage does not prove who it is") && !err.contains("planted"), "{err}");
    source(&format!(", ca: '{}'", moto.ca_file().display()));
    run().ok();
    assert_eq!(project.rows("select pet from pets"), ["cat"]);
}

#[test]
fn sources_of_a_bucket_are_proposed_checked_and_made_into_contracts() {
    let feed = Feed::new();
    let rows = |from: u32| (from..from + 30).map(|id| format!("{id},{}\n", id * 3)).collect::<String>();
    for month in 1..=2 {
        feed.put(&format!("in/shop/sales-2026-0{month}.csv"), format!("id,amount\n{}", rows(month * 100)));
    }
    feed.put("in/shop/note.md", "Dear all,\nthis is a letter.\nBye\n");
    let (id, key) = (feed.reference("id"), feed.reference("key"));
    let access = ["--endpoint", feed.moto.url(), "--plain-loopback", "--access-key-id", &id, "--secret-access-key", &key];
    let propose = |more: &[&str]| {
        let args: Vec<&str> = ["source", "propose", "s3://lake/in/shop/"].into_iter().chain(access).chain(more.iter().copied()).collect();
        feed.project.run(&args)
    };
    let shown = propose(&[]);
    assert!(shown.err.contains("not read: note.md"), "{shown:?}");
    let shown = shown.ok();
    assert!(shown.contains("s3://lake/in/shop") && shown.contains("\ns3:\n  endpoint: "), "{shown}");
    assert!(!feed.project.dir().join("sources/shop.yaml").exists());
    propose(&["--write"]).ok();
    let source = std::fs::read_to_string(feed.project.dir().join("sources/shop.yaml")).unwrap();
    assert!(source.contains("s3://lake/in/shop") && source.contains("sales-*.csv"), "{source}");
    let checked = feed.project.run(&["source", "check", "shop"]).ok();
    assert!(checked.contains("amount") && checked.contains("integer"), "{checked}");
    assert!(propose(&[]).err.contains("2 of 3 files are read by a source already"));
    feed.project.run(&["contract", "propose", "--write"]).ok();
    feed.project.run(&["contract", "check"]).ok();
    // Whoever names keys means a bucket, and whoever names a bucket needs them.
    let err = feed.project.run(&["source", "propose", "data", "--region", "eu-west-3"]).fails(2);
    assert!(err.contains("write s3://BUCKET/PREFIX"), "{err}");
    let err = feed.project.run(&["source", "propose", "s3://lake/in"]).fails(2);
    assert!(err.contains("`s3` with the keys to it is missing"), "{err}");
    let err = feed.project.run(&["source", "propose", "s3://lake/in", "--region", "r", "--access-key-id", KEY_ID]).fails(2);
    assert!(err.contains("`access_key_id` is not a reference") && !err.contains("planted"), "{err}");
}

#[test]
fn objects_that_come_while_it_watches_are_loaded_once_each() {
    let feed = Feed::of_pets();
    feed.put("in/pets.csv", "pet\ncat\ndog\n");
    let mut watch = Watch::start(&feed.project, &[]);
    watch.printed("2 read = 2 loaded");
    feed.put("in/pets2.csv", "pet\ncow\nfox\nhen\n");
    watch.printed("3 read = 3 loaded");
    assert_eq!(watch.end(Signal::TERM), Some(0));
    assert_eq!(feed.pets(), ["cat", "cow", "dog", "fox", "hen"]);
}
