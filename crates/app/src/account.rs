//! Who types the command: the operating system's account, which no environment variable can change.

use polder_policy::identity::BREAK_GLASS;
use polder_types::{ErrorKind, PrincipalId};

use crate::failure::{Failure, Outcome};

/// `user:NAME` of the effective account, or `user:uid-N` when the account has no name.
pub fn current() -> Outcome<PrincipalId> {
    of(rustix::process::geteuid().as_raw())
}

/// The same of an account's number.
///
/// # Errors
/// When its name is none that a principal may have.
pub fn of(uid: u32) -> Outcome<PrincipalId> {
    let name = std::fs::read_to_string("/etc/passwd").ok().and_then(|text| name_of(&text, uid)).unwrap_or_else(|| format!("uid-{uid}"));
    PrincipalId::new("user", &name).map_err(|error| Failure::of(ErrorKind::Invalid, &error))
}

/// The name of an account's number. The one of the account for emergencies is nobody's who did not sign in with it.
fn name_of(passwd: &str, uid: u32) -> Option<String> {
    let name = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    name.filter(|name| name != BREAK_GLASS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_belongs_to_the_number() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nann:x:1000:1000::/home/ann:/bin/sh\n";
        assert_eq!(name_of(passwd, 1000).as_deref(), Some("ann"));
        assert_eq!(name_of(passwd, 7), None);
    }

    #[test]
    fn nobody_of_the_host_is_the_account_for_emergencies() {
        assert_eq!(name_of("break-glass:x:1000:1000::/home/b:/bin/sh\n", 1000), None);
        assert_eq!(of(u32::MAX).unwrap().as_str(), format!("user:uid-{}", u32::MAX));
    }
}
