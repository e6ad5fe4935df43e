//! Independent judges: programs that others wrote, which say whether our formats are what we claim.
//! They live in virtual environments and folders outside the clone, made once.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::{announce, capture, command, which};
use crate::{debian, workspace};

/// Gets a Python where the system has none that fits.
const UV: &str = "0.13.9";

/// Packages from PyPI that judge us, and the Python that they run on.
pub struct Judge {
    /// The variable through which tests find its Python.
    pub variable: &'static str,
    /// Each as `name==version` or `name[extras]==version`; the first one names the environment.
    packages: &'static [&'static str],
    why: &'static str,
    oldest: (u32, u32),
    newest: (u32, u32),
}

/// `tink` 1.16.1 has wheels up to Python 3.11 only; `aics-tlog` uses the syntax of 3.12.
pub const JUDGES: [Judge; 11] = [
    Judge {
        variable: "POLDER_JUDGE_TINK_PYTHON",
        packages: &["tink==1.16.1"],
        why: "opens sealed objects",
        oldest: (3, 11),
        newest: (3, 11),
    },
    Judge {
        variable: "POLDER_JUDGE_TLOG_PYTHON",
        packages: &["aics-tlog==0.2.1"],
        why: "verifies the exported audit log",
        oldest: (3, 12),
        newest: (3, 14),
    },
    Judge {
        variable: "POLDER_JUDGE_JSONSCHEMA_PYTHON",
        packages: &["jsonschema==4.26.0"],
        why: "holds project files and reviews against their schemas",
        oldest: (3, 10),
        newest: (3, 14),
    },
    Judge {
        variable: "POLDER_JUDGE_FIELDS_PYTHON",
        packages: &["cryptography==48.0.0"],
        why: "computes and opens masked values",
        oldest: (3, 11),
        newest: (3, 14),
    },
    Judge {
        variable: "POLDER_JUDGE_MOTO_PYTHON",
        packages: &["moto[server,s3]==5.2.5"],
        why: "serves S3",
        oldest: (3, 10),
        newest: (3, 13),
    },
    Judge { variable: "POLDER_JUDGE_SMTP_PYTHON", packages: &["aiosmtpd==1.4.6"], why: "takes mail", oldest: (3, 10), newest: (3, 13) },
    Judge {
        variable: "POLDER_JUDGE_ADBC_PYTHON",
        packages: &["adbc-driver-sqlite==1.13.0", "adbc-driver-postgresql==1.13.0"],
        why: "carries drivers of databases",
        oldest: (3, 11),
        newest: (3, 14),
    },
    Judge {
        variable: "POLDER_JUDGE_DELTA_PYTHON",
        packages: &["duckdb-extension-delta==1.5.5"],
        why: "reads tables with deletion vectors",
        oldest: (3, 10),
        newest: (3, 14),
    },
    Judge {
        variable: "POLDER_JUDGE_CLIENTS_PYTHON",
        packages: &[
            "psycopg[binary]==3.3.9",
            "asyncpg==0.32.0",
            "sqlalchemy==2.1.9",
            "pandas==3.1.1",
            "pyarrow==26.0.1",
            "adbc-driver-flightsql==1.13.0",
            "pyodbc==5.5.0",
            "mcp==2.3.0",
        ],
        why: "asks what is served, as people's programs do",
        oldest: (3, 11),
        newest: (3, 14),
    },
    Judge {
        variable: "POLDER_JUDGE_BROWSER_PYTHON",
        packages: &["websocket-client==1.8.0"],
        why: "plays someone in a browser",
        oldest: (3, 10),
        newest: (3, 14),
    },
    Judge {
        variable: "POLDER_JUDGE_REST_PYTHON",
        packages: &["schemathesis==4.32.0", "openapi-spec-validator==0.9.0"],
        why: "holds REST against its OpenAPI document",
        oldest: (3, 10),
        newest: (3, 14),
    },
];

/// Packages of npm that judge us.
pub const NODE: Node =
    Node { variable: "POLDER_JUDGE_NODE_PG", name: "pg", version: "8.23.1", why: "asks what is served, as programs on Node.js do" };

/// The identity provider that people sign in through.
pub const NODE_OIDC: Node = Node {
    variable: "POLDER_JUDGE_NODE_OIDC",
    name: "oidc-provider",
    version: "9.13.3",
    why: "signs people in by OpenID Connect, certified",
};

/// A package of npm, in a folder of its own.
pub struct Node {
    /// The variable through which tests find the folder that holds `node_modules`.
    pub variable: &'static str,
    name: &'static str,
    version: &'static str,
    why: &'static str,
}

impl Node {
    /// The judge's folder, made when it is missing or holds something else.
    pub fn prepare(&self) -> Result<PathBuf> {
        let folder = workspace::cache()?.join("judges").join(format!("node-{}-{}", self.name, self.version));
        let prepared = || -> Result<()> {
            if self.is_in(&folder) {
                return Ok(());
            }
            std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
            announce(&mut self.install(&folder))?;
            if !self.is_in(&folder) {
                bail!("{} was installed but does not hold it; remove the folder and try again", folder.display());
            }
            Ok(())
        };
        prepared().with_context(|| format!("prepare the judge {} {}, which {}", self.name, self.version, self.why))?;
        Ok(folder)
    }

    /// Nothing that a package brings is run while it is installed.
    fn install(&self, folder: &Path) -> Command {
        let mut install = command("npm");
        install.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel", "error", "--prefix"]);
        install.arg(folder).arg(format!("{}@{}", self.name, self.version));
        install
    }

    fn is_in(&self, folder: &Path) -> bool {
        let manifest = std::fs::read_to_string(folder.join("node_modules").join(self.name).join("package.json")).unwrap_or_default();
        let parsed: serde_json::Value = serde_json::from_str(&manifest).unwrap_or_default();
        parsed.get("version").and_then(serde_json::Value::as_str) == Some(self.version)
    }
}

impl Judge {
    /// The judge's Python, its environment made when it is missing or broken.
    pub fn prepare(&self) -> Result<PathBuf> {
        let folder = workspace::cache()?.join("judges").join(self.folder());
        let python = environment(&folder, self.oldest, self.newest, self.packages)
            .with_context(|| format!("prepare the judge {}, which {}", self.packages.join(" and "), self.why))?;
        Ok(python)
    }

    /// `name-version` of the first package.
    fn folder(&self) -> String {
        let (name, version) = self.packages.first().and_then(|package| package.split_once("==")).unwrap_or_default();
        format!("{}-{version}", name.split('[').next().unwrap_or_default())
    }
}

/// A virtual environment with exactly these packages; used as it stands when it holds them already.
pub fn environment(folder: &Path, oldest: (u32, u32), newest: (u32, u32), packages: &[&str]) -> Result<PathBuf> {
    environment_with(folder, oldest, newest, packages, &[])
}

/// The same, where those of `sources` have no wheel and are built here.
pub fn environment_with(folder: &Path, oldest: (u32, u32), newest: (u32, u32), packages: &[&str], sources: &[&str]) -> Result<PathBuf> {
    let python = folder.join("bin/python");
    if holds(&python, packages) {
        return Ok(python);
    }
    let base = match find_python(oldest, newest) {
        Some(python) => python,
        None => fetch_python(oldest, newest)?,
    };
    if let Some(parent) = folder.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
    }
    make_environment(&base, folder, packages, sources)?;
    if !holds(&python, packages) {
        bail!("{} was installed but does not hold {}; remove the folder and try again", folder.display(), packages.join(", "));
    }
    Ok(python)
}

fn make_environment(base: &Path, folder: &Path, packages: &[&str], sources: &[&str]) -> Result<()> {
    announce(command(base).args(["-m", "venv", "--clear"]).arg(folder))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"];
    let built = sources.iter().flat_map(|name| ["--no-binary", name]);
    announce(command(folder.join("bin/python")).args(pip).args(built).args(packages))
}

/// Whether each `name==version` is installed there, whatever its extras.
fn holds(python: &Path, packages: &[&str]) -> bool {
    let program = "import sys\nfrom importlib.metadata import version\nfor p in sys.argv[1:]:\n    n, v = p.split('==')\n    assert version(n.split('[')[0]) == v";
    python.is_file() && capture(command(python).args(["-c", program]).args(packages), "ask a Python for its packages").is_ok()
}

/// Any Python of a wanted version that can make virtual environments: on PATH, installed through pyenv, or fetched before.
fn find_python(oldest: (u32, u32), newest: (u32, u32)) -> Option<PathBuf> {
    candidates(oldest, newest).into_iter().find(|candidate| {
        let program = "import sys, venv, ensurepip; print(sys.version_info[0], sys.version_info[1])";
        let answer = capture(command(candidate).args(["-c", program]), "ask a Python for its version");
        answer.is_ok_and(|answer| {
            let mut numbers = answer.split_whitespace().filter_map(|number| number.parse::<u32>().ok());
            numbers.next().zip(numbers.next()).is_some_and(|version| (oldest..=newest).contains(&version))
        })
    })
}

/// Gets the oldest Python that fits, through `uv` from PyPI, into the judges' own folder: no Debian has all that the judges need.
fn fetch_python(oldest: (u32, u32), newest: (u32, u32)) -> Result<PathBuf> {
    let wanted = wanted(oldest, newest);
    eprintln!("{wanted} with venv was found neither on PATH nor under pyenv: uv {UV} gets Python {}.{}", oldest.0, oldest.1);
    let fetched = || -> Result<PathBuf> {
        debian::install(&[debian::PYTHON])?;
        let folder = workspace::cache()?.join("judges").join(format!("uv-{UV}"));
        let python = folder.join("bin/python");
        let package = format!("uv=={UV}");
        if !holds(&python, &[&package]) {
            if let Some(parent) = folder.parent() {
                std::fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
            }
            make_environment(Path::new("python3"), &folder, &[&package], &[])?;
        }
        announce(&mut uv_install(&folder.join("bin/uv"), &pythons()?, oldest))?;
        find_python(oldest, newest).context("what uv got is not what was asked for")
    };
    fetched().with_context(|| format!("get {wanted}; install it with its venv (pyenv has all versions), then try again"))
}

/// Nothing goes outside the folder: no links into `~/.local/bin`, and no settings from elsewhere.
fn uv_install(uv: &Path, into: &Path, version: (u32, u32)) -> Command {
    let mut install = command(uv);
    install.args(["python", "install", "--no-config", "--no-bin", &format!("{}.{}", version.0, version.1)]);
    install.env("UV_PYTHON_INSTALL_DIR", into);
    install
}

/// Where fetched Pythons lie.
fn pythons() -> Result<PathBuf> {
    Ok(workspace::cache()?.join("judges/pythons"))
}

fn wanted(oldest: (u32, u32), newest: (u32, u32)) -> String {
    if oldest == newest {
        format!("Python {}.{}", oldest.0, oldest.1)
    } else {
        format!("Python {}.{} to {}.{}", oldest.0, oldest.1, newest.0, newest.1)
    }
}

/// Newest last among the named ones, since the oldest that fits has most wheels.
fn candidates(oldest: (u32, u32), newest: (u32, u32)) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = (oldest.1..=newest.1).filter_map(|minor| which(&format!("python3.{minor}"))).collect();
    found.extend(which("python3"));
    found.extend([PathBuf::from("/usr/bin/python3")]);
    let pyenv = std::env::var_os("PYENV_ROOT")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".pyenv")));
    found.extend(pyenv.map(|root| installed(&root.join("versions"))).unwrap_or_default());
    found.extend(pythons().map(|folder| installed(&folder)).unwrap_or_default());
    found
}

/// The Pythons of a folder that holds one in each of its own.
fn installed(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path().join("bin/python")).filter(|python| python.is_file()).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::shown;

    #[test]
    fn each_judge_has_a_folder_and_a_variable_of_its_own() {
        let folders = JUDGES.each_ref().map(Judge::folder);
        assert_eq!(
            folders,
            [
                "tink-1.16.1",
                "aics-tlog-0.2.1",
                "jsonschema-4.26.0",
                "cryptography-48.0.0",
                "moto-5.2.5",
                "aiosmtpd-1.4.6",
                "adbc-driver-sqlite-1.13.0",
                "duckdb-extension-delta-1.5.5",
                "psycopg-3.3.9",
                "websocket-client-1.8.0",
                "schemathesis-4.32.0"
            ]
        );
        let variables: std::collections::BTreeSet<&str> =
            JUDGES.iter().map(|judge| judge.variable).chain([NODE.variable, NODE_OIDC.variable]).collect();
        assert_eq!(variables.len(), JUDGES.len() + 2);
    }

    #[test]
    fn a_package_of_npm_is_there_in_its_version_alone() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!NODE.is_in(folder.path()));
        let package = folder.path().join("node_modules/pg");
        std::fs::create_dir_all(&package).unwrap();
        for (version, there) in [("0.0.1", false), (NODE.version, true)] {
            std::fs::write(package.join("package.json"), format!(r#"{{"name": "pg", "version": "{version}"}}"#)).unwrap();
            assert_eq!(NODE.is_in(folder.path()), there, "{version}");
        }
        let install = shown(&NODE.install(Path::new("/judge")));
        assert!(install.ends_with(" --prefix /judge pg@8.23.1") && install.contains("--ignore-scripts"), "{install}");
    }

    #[test]
    fn what_is_wanted_is_said_as_one_version_or_a_range() {
        assert_eq!(wanted((3, 11), (3, 11)), "Python 3.11");
        assert_eq!(wanted((3, 12), (3, 14)), "Python 3.12 to 3.14");
    }

    #[test]
    fn a_python_of_no_such_version_is_not_found_and_one_that_is_there_is() {
        assert_eq!(find_python((2, 0), (2, 1)), None);
        assert!(find_python((3, 0), (3, 99)).is_some());
    }

    #[test]
    fn fetched_pythons_stay_in_their_folder_and_are_seen_there() {
        let install = uv_install(Path::new("/cache/uv"), Path::new("/cache/pythons"), (3, 12));
        assert_eq!(shown(&install), "/cache/uv python install --no-config --no-bin 3.12");
        assert!(
            install.get_envs().any(|(name, value)| name == "UV_PYTHON_INSTALL_DIR" && value.is_some_and(|path| path == "/cache/pythons"))
        );
        let folder = tempfile::tempdir().unwrap();
        let python = folder.path().join("cpython-3.12-linux/bin/python");
        std::fs::create_dir_all(python.parent().unwrap()).unwrap();
        assert_eq!(installed(folder.path()), Vec::<PathBuf>::new());
        std::fs::write(&python, "").unwrap();
        assert_eq!(installed(folder.path()), [python]);
    }
}
