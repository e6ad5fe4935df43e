//! Whose approvals count. Who may approve is what the base says, never what the change says: else a change would bring its own approver.

use std::collections::BTreeSet;
use std::path::Path;

use polder_contract::approval::signers;
use polder_contract::{ApprovalError, ApproverPublic, Contract};

use crate::failure::Outcome;
use crate::git::{Author, Repository, Revision};
use crate::project::Project;
use crate::review::Verdict;
use crate::review::snapshot::ContractFile;
use crate::settings::{Approvals, Environment, Settings};

/// What is known of who may approve and who wrote what.
pub struct Judge<'a> {
    pub repository: &'a Repository,
    /// The commit that the change begins from.
    pub base: &'a Revision,
    pub head: &'a Revision,
    /// The environment whose approvers count.
    pub environment: &'a str,
    /// `polder.yaml` of the base.
    pub before: Option<&'a Settings>,
    /// `polder.yaml` of the change.
    pub now: Option<&'a Settings>,
}

/// Those who wrote a change; none when nobody can tell.
pub type Authors = Option<Vec<Author>>;

impl Judge<'_> {
    fn environments(&self, name: &str) -> (Option<&Environment>, Option<&Environment>) {
        (self.before.and_then(|settings| settings.environments.get(name)), self.now.and_then(|settings| settings.environments.get(name)))
    }

    /// Approvers of an environment at the base.
    pub fn enrolled(&self, name: &str) -> Vec<ApproverPublic> {
        keys(self.environments(name).0)
    }

    /// What is asked of approvals, by the base or by the change: whatever is stricter.
    pub fn asked(&self, name: &str) -> Approvals {
        let (before, now) = self.environments(name);
        let strict = |environment: Option<&Environment>| environment.is_some_and(|environment| environment.approvals.other_than_author);
        Approvals {
            other_than_author: strict(before) || strict(now) || (before.is_none() && Approvals::of(name).other_than_author),
            git: before.map(|environment| environment.approvals.git.clone()).unwrap_or_default(),
        }
    }

    /// Who wrote what differs in these files, which are as they were committed.
    ///
    /// # Errors
    /// When git cannot tell.
    pub fn authors(&self, paths: &BTreeSet<&str>) -> Outcome<Authors> {
        let paths: Vec<&str> = paths.iter().copied().collect();
        let authors = self.repository.authors(self.base, self.head, &paths)?;
        Ok(Some(authors).filter(|authors| !authors.is_empty()))
    }

    /// Those who are approvers at the base and in the change and signed a contract as it stands; why nobody did.
    pub fn signed(&self, new: &ContractFile) -> Result<Vec<ApproverPublic>, String> {
        let (before, now) = self.environments(self.environment);
        let present = keys(now);
        let enrolled: Vec<ApproverPublic> = keys(before).into_iter().filter(|approver| present.contains(approver)).collect();
        let approval = new.approval.as_deref();
        signers(&new.contract, approval, &enrolled)
            .map(|signed| signed.into_iter().cloned().collect())
            .map_err(|error| self.unsigned(&error, &new.contract, approval, &present))
    }

    /// Whether what a contract newly lets in was approved by someone whose approval counts.
    ///
    /// # Errors
    /// When git cannot tell who wrote it.
    pub fn judge(&self, old: Option<&ContractFile>, new: &ContractFile) -> Outcome<Verdict> {
        let signed = match self.signed(new) {
            Ok(signed) => signed,
            Err(why) => return Ok(Verdict::Unapproved(why)),
        };
        let signed: Vec<&ApproverPublic> = signed.iter().collect();
        let asked = self.asked(self.environment);
        if !asked.other_than_author {
            return Ok(Verdict::Approved(names(&signed)));
        }
        let committed = self.repository.read(self.head, &new.file)?;
        let committed = committed.and_then(|text| Contract::parse(&text, &new.file).ok());
        if committed.is_none_or(|committed| committed.semantic_hash() != new.contract.semantic_hash()) {
            let text = "the change is not committed, so that nobody can tell who wrote it; commit it, then look again";
            return Ok(Verdict::Unapproved(text.to_owned()));
        }
        let paths = old.map(|old| old.file.as_str()).into_iter().chain([new.file.as_str()]).collect();
        Ok(other_than(&signed, &self.authors(&paths)?, &asked))
    }

    /// Whether this very contract had an approval at or before the base, which nobody can tell from a new one.
    ///
    /// # Errors
    /// When git cannot tell.
    pub fn approved_before(&self, new: &ContractFile) -> Outcome<Option<Revision>> {
        let path = Project::approval_path(Path::new(&new.file)).display().to_string();
        self.repository.held(self.base, &path, &hex::encode(new.contract.semantic_hash()))
    }

    /// Why no signature counts.
    fn unsigned(&self, error: &ApprovalError, contract: &Contract, approval: Option<&str>, present: &[ApproverPublic]) -> String {
        match error {
            ApprovalError::Missing { .. } => "nobody approved it".to_owned(),
            ApprovalError::Changed { .. } => "it is not what was approved".to_owned(),
            ApprovalError::Damaged { problem, .. } => format!("its approval is damaged: {problem}"),
            _ => match signers(contract, approval, present) {
                Ok(signed) => format!(
                    "it is signed by {}, who is no approver of environment {} at the base; whom a change enrols counts from the next one on",
                    names(&signed).join(", "),
                    self.environment
                ),
                Err(_) => format!("nobody signed it who is an approver of environment {} at the base", self.environment),
            },
        }
    }
}

fn keys(environment: Option<&Environment>) -> Vec<ApproverPublic> {
    environment.iter().flat_map(|environment| &environment.approvers).filter_map(|vkey| ApproverPublic::parse(vkey).ok()).collect()
}

/// The names of those who signed.
pub fn names(signed: &[&ApproverPublic]) -> Vec<String> {
    signed.iter().map(|approver| approver.name().to_owned()).collect()
}

/// Whether someone signed who can be told from all who wrote the change.
pub fn other_than(signed: &[&ApproverPublic], authors: &Authors, asked: &Approvals) -> Verdict {
    let Some(authors) = authors else {
        return Verdict::Unapproved("git names no author of the change, and none may approve their own".to_owned());
    };
    let addresses = |approver: &ApproverPublic| -> Vec<String> {
        asked.git.get(approver.name()).into_iter().flatten().map(|address| address.trim().to_lowercase()).collect()
    };
    let wrote = |approver: &ApproverPublic| {
        let own = addresses(approver);
        authors.iter().find(|author| own.contains(&author.address) || author.name.eq_ignore_ascii_case(approver.name()))
    };
    let others: Vec<&ApproverPublic> =
        signed.iter().copied().filter(|approver| !addresses(approver).is_empty() && wrote(approver).is_none()).collect();
    if !others.is_empty() {
        return Verdict::Approved(names(&others));
    }
    Verdict::Unapproved(match signed.iter().find_map(|approver| Some((approver, wrote(approver)?))) {
        Some((approver, author)) => format!(
            "it is signed by {}, who wrote the change (as {} <{}>); someone else must approve it",
            approver.name(),
            author.name,
            author.address
        ),
        None => format!(
            "it is signed by {}, of whom polder.yaml at the base names no address (approvals.git), so that nobody can tell them from the author",
            names(signed).join(", ")
        ),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn approver(name: &str) -> ApproverPublic {
        // A key of all zeros but the algorithm: only the name matters here.
        let tagged = [&[1u8][..], &[0; 32]].concat();
        let hash = polder_crypto::sha256(&[name.as_bytes(), b"\n", &tagged].concat());
        use base64::Engine as _;
        let key = base64::engine::general_purpose::STANDARD.encode(&tagged);
        ApproverPublic::parse(&format!("{name}+{}+{key}", hex::encode(&hash[..4]))).unwrap()
    }

    #[test]
    fn nobody_approves_what_they_wrote_and_doubt_counts_against() {
        let (ann, bea) = (approver("ann"), approver("bea"));
        let author = |name: &str, address: &str| Author { name: name.to_owned(), address: address.to_owned() };
        let asked = Approvals {
            other_than_author: true,
            git: BTreeMap::from([("ann".to_owned(), vec!["Ann@example.org".to_owned(), "ann@home.example".to_owned()])]),
        };
        let by = |signed: &[&ApproverPublic], authors: &[Author]| other_than(signed, &Some(authors.to_vec()), &asked);
        let bob = author("Bob", "bob@example.org");
        assert_eq!(by(&[&ann], std::slice::from_ref(&bob)), Verdict::Approved(vec!["ann".to_owned()]));
        for own in [author("A. N.", "ann@example.org"), author("A. N.", "ann@home.example"), author("Ann", "else@example.org")] {
            let refused = by(&[&ann], &[bob.clone(), own.clone()]);
            assert!(matches!(&refused, Verdict::Unapproved(why) if why.contains("who wrote the change")), "{own:?}: {refused:?}");
        }
        // Of bea no address is known.
        let refused = by(&[&bea], std::slice::from_ref(&bob));
        assert!(matches!(&refused, Verdict::Unapproved(why) if why.contains("names no address")), "{refused:?}");
        assert_eq!(by(&[&bea, &ann], &[bob]), Verdict::Approved(vec!["ann".to_owned()]));
        assert!(matches!(other_than(&[&ann], &None, &asked), Verdict::Unapproved(_)));
    }
}
