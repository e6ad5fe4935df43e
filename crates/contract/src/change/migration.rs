//! What becomes of the rows that are stored when their contract changes: what `polder run` does, in words and as a step that a machine
//! can tell from others.

/// What `polder run` does with a table that has rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Nothing: rows stay as they are.
    Nothing,
    /// The next load takes the place of all rows.
    Reload,
    /// A column is added; old rows hold NULL.
    AddColumn,
    /// A column may hold NULL from now on.
    AllowNull,
    /// Columns stand in another order.
    Reorder,
    /// Files are written anew with a wider type.
    WidenType,
    /// Files are written anew without a column.
    RemoveColumn,
    /// Loads are refused until someone decides.
    Refuse,
}

impl Step {
    /// Its name in machine-readable output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Reload => "reload",
            Self::AddColumn => "add-column",
            Self::AllowNull => "allow-null",
            Self::Reorder => "reorder",
            Self::WidenType => "widen-type",
            Self::RemoveColumn => "remove-column",
            Self::Refuse => "refuse",
        }
    }
}

/// A step, told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// What is done.
    pub step: Step,
    /// What is done and what is left to do, in a sentence.
    pub text: String,
}

impl Migration {
    pub(crate) fn new(step: Step, text: impl Into<String>) -> Self {
        Self { step, text: text.into() }
    }

    pub(crate) fn nothing() -> Self {
        Self::new(Step::Nothing, "nothing to migrate")
    }

    pub(crate) fn reload() -> Self {
        Self::new(Step::Reload, "the next load reads everything anew and takes the place of all rows")
    }
}

/// What is known of the change as a whole where the step of one column is chosen.
pub(crate) struct Steps<'a> {
    pub table: &'a str,
    /// Rows stay, and new ones come beside them or in their place.
    pub keeps_rows: bool,
    /// Columns go and others come, which may be one column under two names.
    pub exchanged: bool,
}

impl Steps<'_> {
    /// The step for a table whose rows stay.
    fn kept(&self, step: Step, text: String) -> Migration {
        if self.keeps_rows { Migration::new(step, text) } else { Migration::reload() }
    }

    fn ways_out(&self) -> String {
        format!("set polder.disposition to replace, or remove the table with `polder table drop {}` and load it anew", self.table)
    }

    fn exchange(&self) -> Migration {
        let text = format!(
            "`polder run` refuses to take columns away and add others at once, since it cannot tell that from a rename; keep the column's name, make two changes of it, {}",
            self.ways_out()
        );
        self.kept(Step::Refuse, text)
    }

    pub(crate) fn added(&self, column: &str, nullable: bool) -> Migration {
        if self.exchanged {
            return self.exchange();
        }
        if nullable {
            let text = format!(
                "`polder run` adds column {column}; old rows hold NULL. To fill them, `polder table drop {}` and load the files anew",
                self.table
            );
            self.kept(Step::AddColumn, text)
        } else {
            let text = format!(
                "`polder run` refuses a required column without a default, since old rows hold no value of {column}; let it be missing, {}",
                self.ways_out()
            );
            self.kept(Step::Refuse, text)
        }
    }

    pub(crate) fn removed(&self, column: &str) -> Migration {
        if self.exchanged {
            return self.exchange();
        }
        let text = format!(
            "`polder run` writes the table's files anew without column {column}; older versions hold it until `polder table vacuum {}` deletes their files, and the audit log holds the proof of both",
            self.table
        );
        self.kept(Step::RemoveColumn, text)
    }

    pub(crate) fn renamed(&self, from: &str, to: &str) -> Migration {
        let text = format!(
            "`polder run` refuses to rename column {from} to {to}, since it cannot tell that from another column; keep the name, {}",
            self.ways_out()
        );
        self.kept(Step::Refuse, text)
    }

    /// A table that is to hold versions; `names` are the columns that it gets.
    pub(crate) fn versioned(&self, names: &str) -> Migration {
        let text =
            format!("`polder run` adds columns {names}; rows that are there hold NULL in both: they hold now, and since when is not known");
        self.kept(Step::AddColumn, text)
    }

    /// A table that held versions and is to hold none.
    pub(crate) fn unversioned(&self) -> Migration {
        let text = format!("`polder run` refuses it: no rule says what becomes of rows that held once; {}", self.ways_out());
        self.kept(Step::Refuse, text)
    }

    pub(crate) fn widened(&self, column: &str) -> Migration {
        self.kept(
            Step::WidenType,
            format!("`polder run` writes the table's files anew with the wider type of column {column}; no value changes"),
        )
    }

    pub(crate) fn retyped(&self, column: &str) -> Migration {
        let text = format!(
            "`polder run` refuses it: no rule says what becomes of the values of column {column} that do not fit; {}",
            self.ways_out()
        );
        self.kept(Step::Refuse, text)
    }

    pub(crate) fn may_be_missing(&self, column: &str) -> Migration {
        self.kept(Step::AllowNull, format!("`polder run` lets column {column} hold NULL; rows stay as they are"))
    }

    pub(crate) fn required(&self, column: &str) -> Migration {
        let text = format!(
            "`polder run` refuses it: no rule says what becomes of old rows without a value of column {column}; {}",
            self.ways_out()
        );
        self.kept(Step::Refuse, text)
    }

    pub(crate) fn reordered(&self) -> Migration {
        self.kept(Step::Reorder, "`polder run` gives the table the new order; rows stay as they are".to_owned())
    }

    /// A rule that only new rows are checked for.
    pub(crate) fn tightened(&self) -> Migration {
        self.kept(Step::Nothing, "rows that are there are not checked again".to_owned())
    }
}
