//! What a process that serves strangers may do: see its project, store and keys and no other file (Landlock), begin no program and attach to
//! none (seccomp). Both hold for threads that are made later, so that this comes before there are any, and are for good.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use landlock::{
    ABI, Access as _, AccessFs, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError,
    RulesetStatus, path_beneath_rules,
};
use polder_types::ErrorKind;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use serde_json::json;

use crate::failure::{Failure, Outcome};
use crate::print;
use crate::project::Project;
use crate::settings::{Custody, S3Store, Store};

/// What this process was confined to.
static CONFINED: OnceLock<Confined> = OnceLock::new();

/// Rights that are asked for; where the kernel knows fewer, those are what there is.
const RIGHTS: ABI = ABI::V5;

/// What the system has that is read: names of accounts and hosts, authorities, time zones, libraries for names, this process itself.
const SYSTEM: [&str; 29] = [
    "/etc/passwd",
    "/etc/group",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/resolv.conf",
    "/run/systemd/resolve",
    "/etc/services",
    "/etc/localtime",
    "/usr/share/zoneinfo",
    "/etc/ssl",
    "/etc/pki",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/etc/ld.so.cache",
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/proc/self",
    "/proc/sys",
    "/proc/meminfo",
    "/proc/cpuinfo",
    "/proc/stat",
    "/proc/swaps",
    "/sys/fs/cgroup",
    "/sys/devices/system/cpu",
    "/dev/urandom",
];
/// What is written to besides the store.
const SYSTEM_WRITTEN: [&str; 1] = ["/dev/null"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Confined {
    files: Enforced,
    calls: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Enforced {
    Fully,
    Partly,
    Not,
}

impl Enforced {
    const fn word(self) -> &'static str {
        match self {
            Self::Fully => "full",
            Self::Partly => "partial",
            Self::Not => "none",
        }
    }
}

/// Confines this process, as far as the kernel can. What it cannot is said, and is no failure: a container may be all there is.
///
/// # Errors
/// When the kernel has the means and refuses them.
pub(super) fn confine(project: &Project) -> Outcome {
    let files = files(&Places::of(project)).map_err(|error| {
        Failure::because(ErrorKind::Unavailable, "keep this process from files that it does not need (Landlock)", &error)
    })?;
    let confined = Confined { files, calls: calls() };
    // Once a process; a second time it would be the same.
    let _ = CONFINED.set(confined);
    Ok(())
}

/// What it was confined to, for people.
pub(super) fn says() -> String {
    let confined = state_of();
    let files = match confined.files {
        Enforced::Fully => "other files than its own are out of reach",
        Enforced::Partly => "other files than its own are out of reach, as far as this kernel can",
        Enforced::Not => "this kernel has no Landlock, so all files of the account are in reach",
    };
    let calls = if confined.calls { "no program can be begun" } else { "this kernel takes no seccomp filter, so programs could be begun" };
    format!("sandbox: {files}; {calls}")
}

/// What it was confined to, for machines.
pub(super) fn state() -> serde_json::Value {
    let confined = state_of();
    json!({ "files": confined.files.word(), "calls": if confined.calls { "full" } else { "none" } })
}

/// Whether this process was confined so that it begins no program.
pub(super) fn refuses_programs() -> bool {
    state_of().calls
}

fn state_of() -> Confined {
    CONFINED.get().copied().unwrap_or(Confined { files: Enforced::Not, calls: false })
}

/// Which files this process needs.
#[derive(Debug, Default, PartialEq, Eq)]
struct Places {
    read: BTreeSet<PathBuf>,
    written: BTreeSet<PathBuf>,
}

impl Places {
    fn of(project: &Project) -> Self {
        let mut places = Self::default();
        places.read.insert(project.dir().to_path_buf());
        let environment = project.environment();
        let (Custody::KeyFile { path } | Custody::Passphrase { path, .. }) = &environment.keys;
        places.file(&project.path(path));
        if let Custody::Passphrase { passphrase, .. } = &environment.keys {
            places.secret(project, passphrase);
        }
        match &environment.store {
            Store::Directory(directory) => {
                places.written.insert(project.path(directory));
            }
            Store::S3(store) => places.bucket(project, store),
        }
        // Approvals that were signed elsewhere are written beside their contracts.
        if environment.serving.listeners.contains_key(&polder_serve::Wire::Rest) {
            places.written.insert(project.path("contracts"));
        }
        // It is written aside and takes the former one's place.
        if let Some(parent) = environment.anchor.as_ref().map(|anchor| project.path(anchor)).as_deref().and_then(Path::parent) {
            places.written.insert(parent.to_path_buf());
        }
        if let Some(tls) = &environment.serving.tls {
            places.file(&project.path(&tls.chain));
            places.secret(project, &tls.key);
        }
        places.runs(project);
        if let Some(file) = &environment.serving.client_ca {
            places.file(&project.path(file));
        }
        for provider in environment.serving.providers.values() {
            if let Some(secret) = &provider.client_secret {
                places.secret(project, secret);
            }
            if let Some(ca) = &provider.ca {
                places.file(&project.path(ca));
            }
        }
        for variable in ["CREDENTIALS_DIRECTORY", "SSL_CERT_FILE", "SSL_CERT_DIR"] {
            places.read.extend(std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute()));
        }
        places
    }

    /// What loads read and notices need: as the project says when it begins, so that what is named later asks for a new start. A file that is
    /// wrong names nothing.
    fn runs(&mut self, project: &Project) {
        for source in project.sources().unwrap_or_default() {
            let (bucket, database) = (source.bucket.as_ref(), source.database.as_ref());
            if bucket.is_none() && !source.path.as_os_str().is_empty() {
                let path = project.dir().join(&source.path);
                if path.is_dir() {
                    self.read.extend(path.canonicalize().ok());
                    self.read.insert(path);
                } else {
                    self.file(&path);
                }
            }
            let authorities = [bucket.and_then(|bucket| bucket.ca.as_ref()), database.and_then(|database| database.ca.as_ref())];
            authorities.into_iter().flatten().for_each(|ca| self.file(&project.dir().join(ca)));
            let of_bucket =
                bucket.map(|bucket| [Some(&bucket.access_key_id), Some(&bucket.secret_access_key), bucket.session_token.as_ref()]);
            let of_database = database.map(|database| [database.url.as_ref(), database.password.as_ref()]);
            let references = of_bucket.into_iter().flatten().chain(of_database.into_iter().flatten());
            references.flatten().for_each(|reference| self.secret(project, reference));
        }
        for notify in project.pipelines().unwrap_or_default().iter().filter_map(|pipeline| pipeline.notify.as_ref()) {
            let (webhook, smtp) = (notify.channels.webhook.as_ref(), notify.channels.smtp.as_ref());
            let authorities = [webhook.and_then(|webhook| webhook.ca.as_ref()), smtp.and_then(|smtp| smtp.ca.as_ref())];
            authorities.into_iter().flatten().for_each(|ca| self.file(&project.path(ca)));
            let references =
                [webhook.map(|webhook| &webhook.url), webhook.map(|webhook| &webhook.secret), smtp.and_then(|smtp| smtp.password.as_ref())];
            references.into_iter().flatten().for_each(|reference| self.secret(project, reference));
        }
        if let Some(telemetry) = &project.environment().telemetry {
            telemetry.ca.iter().for_each(|ca| self.file(&project.path(ca)));
            telemetry.headers.values().for_each(|reference| self.secret(project, reference));
        }
    }

    fn bucket(&mut self, project: &Project, store: &S3Store) {
        for reference in [Some(&store.access_key_id), Some(&store.secret_access_key), store.session_token.as_ref()].into_iter().flatten() {
            self.secret(project, reference);
        }
        if let Some(ca) = &store.ca {
            self.file(&project.path(ca));
        }
        if let Ok(place) = crate::storage::place(store, project.dir()) {
            // It may be made first, by whoever opens the store.
            let there = place.temporary.ancestors().find(|path| path.is_dir());
            self.written.extend(there.map(Path::to_path_buf));
        }
    }

    /// A file that is read, which another may take the place of: its directory, and where it is a link that of what it leads to.
    fn file(&mut self, path: &Path) {
        self.read.extend(path.parent().map(Path::to_path_buf));
        self.read.extend(path.canonicalize().ok().as_deref().and_then(Path::parent).map(Path::to_path_buf));
    }

    fn secret(&mut self, project: &Project, reference: &str) {
        if let Some(path) = reference.strip_prefix("file:") {
            self.file(&project.path(path));
        }
    }
}

fn files(places: &Places) -> Result<Enforced, RulesetError> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let written = AccessFs::from_all(RIGHTS) & !AccessFs::Execute;
    let system = SYSTEM.into_iter().map(Path::new);
    let system_written = SYSTEM_WRITTEN.into_iter().map(Path::new);
    let status = Ruleset::default()
        // The store gives objects their names by links out of another directory; a kernel that can only forbid that is left alone.
        .set_compatibility(CompatLevel::SoftRequirement)
        .handle_access(AccessFs::Refer)?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(RIGHTS))?
        .create()?
        .add_rules(path_beneath_rules(places.read.iter().map(PathBuf::as_path).chain(system), read))?
        .add_rules(path_beneath_rules(places.written.iter().map(PathBuf::as_path).chain(system_written), written))?
        .restrict_self()?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Enforced::Fully,
        RulesetStatus::PartiallyEnforced => Enforced::Partly,
        RulesetStatus::NotEnforced => Enforced::Not,
    })
}

/// System calls of which serving needs none: they begin programs, look into others, or change the machine.
const REFUSED: [libc::c_long; 44] = [
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_open_by_handle_at,
    libc::SYS_syslog,
];

/// The same calls by the second set of numbers that x86-64 has (x32): those that both sets share, and those that only it has for execve,
/// ptrace, process_vm_readv, process_vm_writev, kexec_load and execveat.
#[cfg(target_arch = "x86_64")]
fn by_other_numbers() -> impl Iterator<Item = libc::c_long> {
    const X32: libc::c_long = 0x4000_0000;
    let others = [libc::SYS_iopl, libc::SYS_ioperm];
    let own = [520, 521, 528, 539, 540, 545].map(|number| number | X32);
    others.into_iter().chain(own).chain(REFUSED.into_iter().chain(others).map(|number| number | X32))
}

#[cfg(not(target_arch = "x86_64"))]
fn by_other_numbers() -> impl Iterator<Item = libc::c_long> {
    std::iter::empty()
}

/// Whether the filter holds. They are refused as not permitted, so that what asks for one goes on without it.
fn calls() -> bool {
    let held = filter().and_then(|filter| seccompiler::apply_filter_all_threads(&filter));
    if let Err(error) = &held {
        let failure = Failure::because(ErrorKind::Unavailable, "refuse system calls that serving does not need (seccomp)", error);
        print::warn("this process is confined less than it could be", &failure);
    }
    held.is_ok()
}

fn filter() -> Result<BpfProgram, seccompiler::Error> {
    let eperm = u32::try_from(libc::EPERM).unwrap_or(1);
    let rules: BTreeMap<i64, Vec<_>> = REFUSED.into_iter().chain(by_other_numbers()).map(|number| (number, Vec::new())).collect();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(eperm), std::env::consts::ARCH.try_into()?)?;
    Ok(filter.try_into()?)
}

#[cfg(test)]
mod tests;
