//! One share, as text that can be printed and typed (docs/format/keyring.md).

use std::convert::Infallible;

use blahaj::Sharks;
use polder_crypto::sha256;
use polder_types::{LineageId, Rng};
use zeroize::{Zeroize, Zeroizing};

use crate::custody::root::root_id;
use crate::error::Error;
use crate::locked::DatasetKey;

pub(super) const WHAT: &str = "recovery share";
/// Most shares of a kit.
pub const SHARES_MAX: u8 = 16;
const TITLE: &str = "polder recovery share 1";
const GROUP: usize = 8;

/// A share of a kit's root: less than the needed number of them says nothing about it. Has no `Debug`.
pub struct Share {
    kit: [u8; 16],
    lineage: LineageId,
    number: u8,
    needed: u8,
    total: u8,
    /// Shamir over GF(2^8), the share's number being the point.
    value: Zeroizing<[u8; 32]>,
}

impl Share {
    /// Its number, from 1.
    pub fn number(&self) -> u8 {
        self.number
    }

    /// The name of its file.
    pub fn file_name(&self) -> String {
        let kit = hex::encode(self.kit);
        format!("polder-recovery-{}-share-{}-of-{}.txt", kit.get(..8).unwrap_or_default(), self.number, self.total)
    }

    /// Its text. The check value covers all before it, so that a typing error is found and located.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(512));
        text.push_str(&format!(
            "{TITLE}\ninstallation {}\nkit {}\nshare {} of {}, any {} recover\n",
            self.lineage,
            hex::encode(self.kit),
            self.number,
            self.total,
            self.needed
        ));
        let digits = Zeroizing::new(hex::encode(self.value.as_slice()));
        for line in digits.as_bytes().chunks(4 * GROUP) {
            for (at, group) in line.chunks(GROUP).enumerate() {
                text.push_str(if at == 0 { "" } else { " " });
                text.extend(group.iter().map(|digit| char::from(*digit)));
            }
            text.push_str(&format!(" {}\n", check_value(line)));
        }
        let whole = check_value(text.as_bytes());
        text.push_str(&format!("check {whole}\n"));
        text
    }

    /// Reads a share's text; `position` is which of those given, for the error. Line ends and blanks may differ.
    ///
    /// # Errors
    /// When it is not a share, or a line was changed.
    pub fn parse(position: usize, text: &[u8]) -> Result<Self, Error> {
        let damaged = |line| Error::ShareDamaged { position, line };
        let text = std::str::from_utf8(text).map_err(|_| damaged("its first line"))?;
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let mut line = |name| lines.next().ok_or(damaged(name));
        if line("its first line")? != TITLE {
            return Err(damaged("its first line"));
        }
        let lineage = line("the installation")?.strip_prefix("installation ").and_then(|id| id.parse().ok());
        let lineage = lineage.ok_or(damaged("the installation"))?;
        let kit = line("the kit")?.strip_prefix("kit ").and_then(|id| id.parse::<LineageId>().ok()).ok_or(damaged("the kit"))?.0;
        let [number, total, needed] = shape(line("its number")?).ok_or(damaged("its number"))?;
        let mut value = Zeroizing::new([0; 32]);
        for (half, name) in value.chunks_exact_mut(16).zip(["the first line of digits", "the second line of digits"]) {
            digits(line(name)?, half).ok_or(damaged(name))?;
        }
        let check = line("the last line")?.strip_prefix("check ").map(str::to_owned).ok_or(damaged("the last line"))?;
        if lines.next().is_some() {
            return Err(damaged("the last line"));
        }
        let share = Self { kit, lineage, number, needed, total, value };
        let written = share.to_text();
        let whole = written.trim_end().rsplit(' ').next().unwrap_or_default();
        if whole == check { Ok(share) } else { Err(damaged("one of its first four lines or the last")) }
    }
}

/// Splits a root.
pub(super) fn deal(lineage: LineageId, root: &DatasetKey, needed: u8, total: u8, rng: &dyn Rng) -> Result<Vec<Share>, Error> {
    if needed < 2 || total < needed || total > SHARES_MAX {
        return Err(Error::KitShape { needed, total });
    }
    let mut source = Source { rng, failed: false };
    let dealt: Vec<blahaj::Share> = Sharks(needed).dealer_rng(root.expose(), &mut source).take(usize::from(total)).collect();
    if source.failed {
        return Err(Error::Random(polder_types::random::RandomError));
    }
    let kit = root_id(root);
    let mut shares = Vec::with_capacity(dealt.len());
    for dealt in &dealt {
        let bytes = Zeroizing::new(Vec::from(dealt));
        let (Some(([number], value)), true) = (bytes.split_first_chunk::<1>(), bytes.len() == 33) else {
            return Err(Error::Shares { problem: "they could not be made" });
        };
        let mut share = Share { kit, lineage, number: *number, needed, total, value: Zeroizing::new([0; 32]) };
        share.value.copy_from_slice(value);
        shares.push(share);
    }
    Ok(shares)
}

/// Joins shares of one kit. The kit's id follows from its root, so wrongly joined ones are known.
pub(super) fn join(shares: &[Share]) -> Result<(DatasetKey, LineageId), Error> {
    let first = shares.first().ok_or(Error::TooFewShares { given: 0, needed: 2 })?;
    let same =
        |share: &Share| (share.kit, share.lineage, share.needed, share.total) == (first.kit, first.lineage, first.needed, first.total);
    if !shares.iter().all(same) {
        return Err(Error::Shares { problem: "they are not of one kit" });
    }
    let mut numbers: Vec<u8> = shares.iter().map(|share| share.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    if numbers.len() != shares.len() {
        return Err(Error::Shares { problem: "one is given twice" });
    }
    if shares.len() < usize::from(first.needed) {
        return Err(Error::TooFewShares { given: shares.len(), needed: usize::from(first.needed) });
    }
    let mut points = Vec::with_capacity(shares.len());
    for share in shares.iter().take(usize::from(first.needed)) {
        let mut bytes = Zeroizing::new([share.number; 33]);
        if let Some(value) = bytes.last_chunk_mut::<32>() {
            *value = *share.value;
        }
        points.push(blahaj::Share::try_from(bytes.as_slice()).map_err(|_| Error::Shares { problem: "one is empty" })?);
    }
    let mut joined = Sharks(first.needed).recover(&points).map_err(|_| Error::Shares { problem: "they do not join" })?;
    let root = joined.as_slice().try_into().map(DatasetKey::copied);
    joined.zeroize();
    let root = root.map_err(|_| Error::Shares { problem: "they do not join" })??;
    if root_id(&root) != first.kit {
        return Err(Error::Shares { problem: "together they are not the kit that they name" });
    }
    Ok((root, first.lineage))
}

/// `share 1 of 3, any 2 recover`.
fn shape(line: &str) -> Option<[u8; 3]> {
    let (number, rest) = line.strip_prefix("share ")?.split_once(" of ")?;
    let (total, rest) = rest.split_once(", any ")?;
    let needed = rest.strip_suffix(" recover")?;
    let [number, total, needed] = [number, total, needed].map(|digits| digits.parse::<u8>().ok());
    let (number, total, needed) = (number?, total?, needed?);
    let possible = number >= 1 && number <= total && total <= SHARES_MAX && needed >= 2 && needed <= total;
    possible.then_some([number, total, needed])
}

/// Four groups of eight digits and a check value.
fn digits(line: &str, half: &mut [u8]) -> Option<()> {
    let mut joined = Zeroizing::new(String::with_capacity(64));
    let mut groups = line.split_whitespace();
    for group in groups.by_ref().take(4) {
        joined.push_str(group);
    }
    let check = groups.next()?;
    (groups.next().is_none() && check == check_value(joined.as_bytes())).then_some(())?;
    hex::decode_to_slice(joined.as_bytes(), half).ok()
}

/// Finds a typing error; protects nothing.
fn check_value(bytes: &[u8]) -> String {
    hex::encode(sha256(bytes).first_chunk::<2>().copied().unwrap_or_default())
}

/// Our randomness as the sharing crate wants it. It knows no failure, so one is kept and what was made is thrown away.
struct Source<'a> {
    rng: &'a dyn Rng,
    failed: bool,
}

impl rand_core::TryRng for Source<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.failed |= self.rng.fill(bytes).is_err();
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Source<'_> {}

#[cfg(test)]
mod tests;
