//! Real servers. The test that needs one starts it, in a directory and on a port of its own; it ends with that test, whatever becomes of
//! the test. Nothing is shared, so tests run beside each other. `cargo xtask test` installs what they are made of; where that is missing, a
//! test fails and says so.

pub mod certificates;
pub mod home;
pub mod mariadb;
pub mod port;
pub mod postgres;
pub mod running;
pub mod s3;
pub mod s3_proxy;
pub mod smtp;
pub mod webhook;

use std::path::PathBuf;

/// Who may read, on the servers that ask for a name.
pub const USER: &str = "polder";
/// That user's password.
pub const PASSWORD: &str = "secret";
/// The database that a database server starts with.
pub const DATABASE: &str = "db";

/// The Python of a judge, by its variable.
#[track_caller]
pub fn judge(variable: &str) -> PathBuf {
    let python = std::env::var_os(variable);
    PathBuf::from(python.unwrap_or_else(|| panic!("{variable} is not set; run the tests through `cargo xtask test`, which prepares it")))
}

/// The shared library of an ADBC driver, by its Python package: `adbc_driver_sqlite`, `adbc_driver_postgresql`.
pub fn adbc_driver(package: &str) -> PathBuf {
    let mut python = std::process::Command::new(judge("POLDER_JUDGE_ADBC_PYTHON"));
    python.args(["-I", "-c", &format!("import {package}; print({package}._driver_path(), end='')")]);
    PathBuf::from(running::finished(&mut python))
}

#[test]
fn the_wheels_of_adbc_drivers_carry_their_libraries() {
    for package in ["adbc_driver_sqlite", "adbc_driver_postgresql"] {
        let library = std::fs::read(adbc_driver(package)).unwrap();
        assert!(library.starts_with(b"\x7fELF"), "{package}");
        let entry = b"AdbcDriverInit\0";
        assert!(library.windows(entry.len()).any(|window| window == entry), "{package} has no entry point for a driver manager");
    }
}
