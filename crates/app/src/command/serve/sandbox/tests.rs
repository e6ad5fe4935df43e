use std::process::Command;

use super::*;

/// Names a directory for the child; without it, the child does nothing.
const DIR: &str = "POLDER_TEST_SANDBOX";

fn project(dir: &Path, rest: &str) -> Project {
    let text = format!("environments:\n  default:\n    store: store\n    keys: {{custody: key-file, path: ../keys/root.key}}\n{rest}");
    std::fs::write(dir.join("polder.yaml"), text).unwrap();
    Project::find(Some(dir), "default").unwrap()
}

/// What a confined process does; each line says what came of it.
#[test]
fn a_child_tries_what_it_may_not() {
    let Some(dir) = std::env::var_os(DIR).map(PathBuf::from) else { return };
    confine(&project(&dir.join("project"), "")).unwrap();
    let said = |what: &str, done: bool| eprintln!("tried {what}: {done}");
    // A thread that is made later is confined too.
    let tried = move || {
        said("its store", std::fs::write(dir.join("project/store/new"), "x").is_ok());
        said("a link in its store", std::fs::hard_link(dir.join("project/store/new"), dir.join("project/store/below/new")).is_ok());
        said("its project", std::fs::read(dir.join("project/polder.yaml")).is_ok());
        said("its key", std::fs::read(dir.join("keys/root.key")).is_ok());
        said("accounts", std::fs::read("/etc/passwd").is_ok());
        said("other files", std::fs::read(dir.join("other/file")).is_ok());
        said("writing its project", std::fs::write(dir.join("project/new"), "x").is_ok());
        said("a program", Command::new("/bin/true").status().is_ok());
    };
    std::thread::spawn(tried).join().unwrap();
    eprintln!("{}", says());
}

#[test]
fn a_confined_process_reaches_its_own_files_and_begins_no_program() {
    let root = tempfile::tempdir().unwrap();
    for dir in ["project/store/below", "keys", "other"] {
        std::fs::create_dir_all(root.path().join(dir)).unwrap();
    }
    for file in ["keys/root.key", "other/file"] {
        std::fs::write(root.path().join(file), "x").unwrap();
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "command::serve::sandbox::tests::a_child_tries_what_it_may_not", "--nocapture", "--test-threads", "1"]);
    let output = child.env(DIR, root.path()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    let tried = |what: &str, done: bool| assert!(told.contains(&format!("tried {what}: {done}")), "{what}: {told}");
    for own in ["its store", "a link in its store", "its project", "its key", "accounts"] {
        tried(own, true);
    }
    // As far as this kernel can, and it says how far that is.
    let (landlock, seccomp) =
        (told.contains("sandbox: other files than its own are out of reach"), told.contains("no program can be begun"));
    tried("other files", !landlock);
    tried("writing its project", !landlock);
    tried("a program", !landlock && !seccomp);
    assert!(landlock || told.contains("this kernel has no Landlock"), "{told}");
}

#[test]
fn every_file_that_the_settings_name_is_within_reach() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("project");
    std::fs::create_dir(&dir).unwrap();
    let rest = "    anchor: ../anchors/checkpoint\n    tls: {chain: tls/server.pem, key: 'file:/etc/polder/server.key'}\n";
    let places = Places::of(&project(&dir, rest));
    for read in [dir.clone(), dir.join("../keys"), dir.join("tls"), PathBuf::from("/etc/polder")] {
        assert!(places.read.contains(&read), "{}: {places:?}", read.display());
    }
    assert_eq!(places.written, [dir.join("store"), dir.join("../anchors")].into());
}

/// What loads read and notices need lies elsewhere too. What is wrong names nothing, and keeps nothing else out of reach.
#[test]
fn every_file_that_runs_need_is_within_reach() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("project");
    for place in ["project/sources", "project/pipelines", "data"] {
        std::fs::create_dir_all(root.path().join(place)).unwrap();
    }
    let files = [
        ("sources/files.yaml", "type: csv\npath: ../data\ndatasets:\n  visits: {file: visits.csv}\n"),
        ("sources/lite.yaml", "type: sqlite\npath: ../lite/his.db\ntables: [visits]\n"),
        ("sources/his.yaml", "type: postgres\nurl: file:/run/secrets/his.url\nca: /etc/his/ca.pem\ntables: [a.b]\n"),
        (
            "pipelines/p.yaml",
            "notify:\n  webhook: {url: 'file:/run/hook/url', secret: 'file:/run/hook/secret', ca: /etc/hook/ca.pem}\n  \
             smtp: {server: localhost, ca: /etc/mail/ca.pem, from: a@example.org, to: [b@example.org], user: u, password: 'file:/run/mail/password'}\n",
        ),
    ];
    for (file, text) in files {
        std::fs::write(dir.join(file), text).unwrap();
    }
    let places = Places::of(&project(&dir, ""));
    let canonical = root.path().canonicalize().unwrap();
    for read in ["/run/secrets", "/etc/his", "/run/hook", "/etc/hook", "/etc/mail", "/run/mail"] {
        assert!(places.read.contains(Path::new(read)), "{read}: {places:?}");
    }
    for read in [canonical.join("data"), dir.join("../lite")] {
        assert!(places.read.contains(&read), "{}: {places:?}", read.display());
    }
    assert_eq!(places.written, [dir.join("store")].into());
    std::fs::write(dir.join("pipelines/p.yaml"), "notfy: {}\n").unwrap();
    let places = Places::of(&project(&dir, ""));
    assert!(places.read.contains(Path::new("/run/secrets")) && !places.read.contains(Path::new("/run/hook")), "{places:?}");
}

#[test]
fn of_the_project_nothing_is_written_but_contracts_approvals_where_rest_takes_them() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().to_path_buf();
    let written = |wire: &str| Places::of(&project(&dir, &format!("    listeners: {{{wire}: '127.0.0.1:0'}}\n"))).written;
    assert_eq!(written("postgres"), [dir.join("store")].into());
    assert_eq!(written("rest"), [dir.join("store"), dir.join("contracts")].into());
}

#[test]
fn a_filter_can_be_made() {
    assert!(filter().unwrap().len() > REFUSED.len());
}
