//! What tests and benchmarks need from the operating system: probed by what is used of it, installed on Debian and its kin.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::{announce, capture, command, which};

/// A Debian package, and what shows that it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Package {
    name: &'static str,
    probe: Probe,
    why: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probe {
    /// A program on PATH.
    Program(&'static str),
    /// A server's program, which Debian keeps off the PATH of those who are not root.
    Server(&'static str),
    /// A file under `/usr`, whose name may leave the architecture's folder out: `lib/*/NAME`.
    File(&'static str),
    /// Modules that the system's `python3` can load. Debian ships it without them: a program of that name says nothing of `ensurepip`.
    Modules(&'static str),
}

/// Installing it makes a database and starts a server on it, unless it is told not to.
const POSTGRES: &str = "postgresql";

/// Tells it so. `postgresql-common` includes what lies in this folder.
const NO_CLUSTER: &str = "set -e; folder=/etc/postgresql-common/createcluster.d; mkdir -p $folder; \
                          echo 'create_main_cluster = false' > $folder/no-main-cluster.conf";

/// For the tests. MariaDB comes without the packages that make a service of it: tests start servers of their own.
pub const TESTS: [Package; 22] = [
    program("strace", "strace", "shows which files the program opens for writing"),
    program("bsdutils", "script", "gives the shell a terminal"),
    program("util-linux", "unshare", "gives a test a disk or a network of its own"),
    program("util-linux", "nsenter", "runs the program on such a disk"),
    program("util-linux", "taskset", "runs the program on one core"),
    program("util-linux", "setpriv", "starts servers as nobody, and ends them with the test that started them"),
    program("mount", "mount", "makes a small disk"),
    program("coreutils", "timeout", "ends what hangs"),
    program("coreutils", "mkfifo", "makes a pipe where a file belongs"),
    server(POSTGRES, "initdb", "is read as a source, over TLS"),
    server("mariadb-server-core", "mariadbd", "is read as a source, over TLS"),
    program("mariadb-client-core", "mariadb", "fills and changes what is read"),
    program("postgresql-client", "psql", "asks what is served"),
    program("curl", "curl", "asks what is served over REST"),
    // A runtime alone cannot start a program from its source.
    program("default-jdk-headless", "java", "runs the JDBC driver"),
    program("default-jdk-headless", "javac", "compiles what asks through the JDBC driver"),
    file("libpostgresql-jdbc-java", "share/java/postgresql.jar", "is the JDBC driver"),
    file("odbc-postgresql", "lib/*/odbc/psqlodbcw.so", "is the ODBC driver"),
    program("nodejs", "node", "runs node-postgres"),
    program("npm", "npm", "installs node-postgres"),
    program("chromium", "chromium", "signs in on the page"),
    PYTHON,
];

/// For whatever runs in a virtual environment.
pub const PYTHON: Package =
    Package { name: "python3-venv", probe: Probe::Modules("ensurepip, venv"), why: "makes the environments of the independent judges" };

/// For what looks at the listeners from outside.
pub const PENTEST: [Package; 5] = [
    program("nmap", "nmap", "looks for open ports"),
    program("testssl.sh", "testssl", "looks for weaknesses of TLS"),
    program("openssl", "openssl", "is the weak server that must be found weak"),
    program("curl", "curl", "fetches the document of the REST interface"),
    program("util-linux", "setpriv", "ends the server with the task that started it"),
];

/// For the fuzzer's own library, besides.
pub const CXX: Package = program("g++", "c++", "compiles libFuzzer");

const fn program(name: &'static str, program: &'static str, why: &'static str) -> Package {
    Package { name, probe: Probe::Program(program), why }
}

const fn file(name: &'static str, file: &'static str, why: &'static str) -> Package {
    Package { name, probe: Probe::File(file), why }
}

const fn server(name: &'static str, program: &'static str, why: &'static str) -> Package {
    Package { name, probe: Probe::Server(program), why }
}

impl Package {
    fn missing(&self) -> bool {
        match self.probe {
            Probe::Program(program) => which(program).is_none(),
            Probe::Server(program) => which(program).is_none() && beside_path(Path::new("/"), program).is_none(),
            Probe::File(file) => !is_under(Path::new("/usr"), file),
            Probe::Modules(modules) => {
                capture(command("python3").args(["-c", &format!("import {modules}")]), "ask python3 for its modules").is_err()
            }
        }
    }
}

/// A server's program, on PATH or where Debian keeps it.
pub fn program_of_server(program: &str) -> Option<PathBuf> {
    which(program).or_else(|| beside_path(Path::new("/"), program))
}

/// Where Debian keeps the programs of servers. The tests look there too.
fn beside_path(root: &Path, program: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir(root.join("usr/lib/postgresql")).into_iter().flatten().flatten();
    let folders = versions.map(|version| version.path().join("bin")).chain([root.join("usr/sbin")]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Whether a file is there; `*` stands for one folder, of whatever name.
fn is_under(root: &Path, file: &str) -> bool {
    let Some((before, behind)) = file.split_once("/*/") else { return root.join(file).is_file() };
    let folders = std::fs::read_dir(root.join(before)).into_iter().flatten().flatten();
    folders.map(|folder| folder.path().join(behind)).any(|file| file.is_file())
}

/// Installs what is missing, as root or through sudo.
pub fn install(packages: &[Package]) -> Result<()> {
    let missing: Vec<&Package> = packages.iter().filter(|package| package.missing()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for package in &missing {
        eprintln!("the Debian package {} is missing; it {}", package.name, package.why);
    }
    let names = names(&missing);
    if which("apt-get").is_none() {
        bail!("this is no Debian: install what the packages {} bring by hand, then try again", names.join(", "));
    }
    let root = capture(command("id").arg("-u"), "ask for the user id")?.trim() == "0";
    if !root && which("sudo").is_none() {
        bail!("install {} as root, since there is no sudo, then try again", names.join(", "));
    }
    if names.contains(&POSTGRES) {
        announce(as_root(root, "sh").args(["-c", NO_CLUSTER])).context("keep Debian from starting a database")?;
    }
    // A fresh system has no lists of packages, or old ones that name files which are gone.
    announce(&mut apt(root, &["update"])).context("fetch the lists of Debian packages")?;
    // Another maker's server stays where it is: rather nothing is installed.
    let mut install = apt(root, &["install", "--yes", "--no-remove", "--no-install-recommends"]);
    announce(install.args(&names)).context("install Debian packages")?;
    let left: Vec<&Package> = missing.into_iter().filter(|package| package.missing()).collect();
    if let Some(package) = left.first() {
        bail!("{} was installed, but what it {} is not there; look at PATH, then try again", package.name, package.why);
    }
    Ok(())
}

/// `sudo` passes no variables on: `env` sets this one on its far side.
fn apt(root: bool, arguments: &[&str]) -> Command {
    let mut apt = as_root(root, "env");
    apt.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]).args(arguments);
    apt
}

fn as_root(root: bool, program: &str) -> Command {
    if root {
        return command(program);
    }
    let mut sudo = command("sudo");
    sudo.arg(program);
    sudo
}

/// Each name once.
fn names(packages: &[&Package]) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = packages.iter().map(|package| package.name).collect();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::shown;

    #[test]
    fn a_package_is_missing_when_what_is_used_of_it_is() {
        assert!(!program("dash", "sh", "").missing());
        assert!(program("dash", "no-such-program", "").missing());
        // A python3 is there, and a module is not: the program's name alone would say that all is well.
        let python = |modules| Package { probe: Probe::Modules(modules), ..PYTHON };
        assert!(!python("sys").missing());
        assert!(python("sys, no_such_module").missing());
        assert!(!server("dash", "sh", "").missing());
        assert!(server("dash", "no-such-program", "").missing());
    }

    #[test]
    fn the_program_of_a_server_is_found_where_debian_puts_it() {
        let root = tempfile::tempdir().unwrap();
        let places = ["usr/lib/postgresql/15/bin/initdb", "usr/sbin/mariadbd"].map(|place| root.path().join(place));
        for place in places {
            let program = place.file_name().unwrap().to_str().unwrap();
            assert_eq!(beside_path(root.path(), program), None);
            std::fs::create_dir_all(place.parent().unwrap()).unwrap();
            std::fs::write(&place, "").unwrap();
            assert_eq!(beside_path(root.path(), program).as_ref(), Some(&place));
        }
    }

    #[test]
    fn a_file_is_found_in_the_folder_of_whatever_architecture() {
        let root = tempfile::tempdir().unwrap();
        let (jar, driver) = ("share/java/postgresql.jar", "lib/*/odbc/psqlodbcw.so");
        assert!(!is_under(root.path(), jar) && !is_under(root.path(), driver));
        for place in [jar, "lib/riscv64-linux-gnu/odbc/psqlodbcw.so"] {
            let file = root.path().join(place);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, "").unwrap();
        }
        assert!(is_under(root.path(), jar) && is_under(root.path(), driver));
        assert!(!is_under(root.path(), "lib/*/odbc/psqlodbca.so"));
    }

    #[test]
    fn installing_asks_nothing_and_removes_nothing() {
        assert_eq!(shown(&apt(true, &["update"])), "env DEBIAN_FRONTEND=noninteractive apt-get update");
        assert_eq!(shown(&apt(false, &["update"])), "sudo env DEBIAN_FRONTEND=noninteractive apt-get update");
    }

    #[test]
    fn a_package_is_asked_for_once() {
        let all: Vec<&Package> = TESTS.iter().collect();
        assert_eq!(
            names(&all),
            [
                "strace",
                "bsdutils",
                "util-linux",
                "mount",
                "coreutils",
                "postgresql",
                "mariadb-server-core",
                "mariadb-client-core",
                "postgresql-client",
                "curl",
                "default-jdk-headless",
                "libpostgresql-jdbc-java",
                "odbc-postgresql",
                "nodejs",
                "npm",
                "chromium",
                "python3-venv"
            ]
        );
    }
}
