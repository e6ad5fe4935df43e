//! A load of files: which of them, and what the table holds afterwards.

use polder_connect::{Connection, FileList, WantedColumn};

use polder_contract::Deletes;

use super::offsets::{LoadedFile, Offsets, Sorted};
use super::{Batch, CellWords, Input, questions};
use crate::failure::Outcome;

impl Batch<'_> {
    /// What is to be read of the files; none where there is nothing to load.
    pub(super) async fn of_files(&mut self, connection: &Connection, before: Offsets) -> Outcome<Option<Input>> {
        let (installation, lake) = (self.installation, self.lake);
        let (way, head) = (self.way(), self.head());
        // What was loaded of files that are there is remembered; a refresh reads them all.
        let append = way.keeps_rows() && !self.options.full_refresh;
        let contract_hash = hex::encode(self.approved.semantic_hash());
        let options = installation.project.read_options();
        let options = if append { options.hashing() } else { options };
        let mut list = match self.options.settled {
            None => FileList::find(connection, &self.approved.dataset, options)?,
            // What is deleted is told by the keys of all files: while one of them is written to, they are not known.
            Some(settled)
                if self.approved.deletes == Some(Deletes::KeySnapshot)
                    && settled.find(connection, &self.approved.dataset, false, options)?.is_none() =>
            {
                return Ok(None);
            }
            Some(settled) => match settled.find(connection, &self.approved.dataset, append, options)? {
                Some(list) => list,
                None => return Ok(None),
            },
        };
        let mut sorted = Sorted::default();
        if append {
            sorted = before.sort(&mut list, way.merges())?;
            self.report.already_loaded.clone_from(&sorted.already);
            if sorted.new.is_empty() && !sorted.unnoted {
                if head > 0 && before.contract_hash != contract_hash && !self.approved.questions.is_empty() {
                    // Rules that are new hold for the rows that are there, or that they do not is told.
                    questions::ask_visible(installation, lake, &self.approved).await?;
                }
                return Ok(None);
            }
            list.keep(&sorted.new);
        }
        let all = |columns: &[WantedColumn]| Ok(polder_connect::open(connection, &self.approved.dataset, columns, options)?);
        let gone = self.gone(connection, all).await?;
        let reader = list.open(connection, &self.approved.dataset, &self.wanted(), options)?;
        let same = before.source_identity == reader.source_identity() && before.contract_hash == contract_hash;
        let anew = self.options.again || self.options.full_refresh;
        if !append && !anew && head > 0 && same {
            return Ok(None);
        }
        self.report.files = reader.files().len();
        let mut offsets = Offsets {
            run: self.run.to_string(),
            contract_hash,
            source_identity: reader.source_identity().to_owned(),
            files: reader.files().iter().map(LoadedFile::from).collect(),
            outside: before.outside.clone(),
            history: before.history.clone(),
            ..Offsets::default()
        };
        if append {
            offsets.extend(before, sorted);
        }
        let cells = CellWords::of(connection.dataset(&self.approved.dataset)?);
        Ok(Some(Input { reader, cells, way, gone, cursor: None, replay: false, offsets }))
    }
}
