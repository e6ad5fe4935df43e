//! What a question asks for, before it is answered.

use arrow::datatypes::{DataType, SchemaRef};
use polder_types::RequestId;

use super::parse::parse;
use super::stack::polled_with_room;
use super::{Asked, Asker, Deadline, Door, QueryOptions, open};
use crate::answer::of_explain;
use crate::error::Error;

/// What a question asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// The types of `$1`, `$2` and so on: as [`QueryOptions::parameter_types`] says, else as they are worked out, else text.
    pub parameters: Vec<DataType>,
    /// The columns of its answer, exactly as an answer with [`QueryOptions::as_described`] has them.
    pub schema: SchemaRef,
}

impl Door {
    /// Plans a question and tells what it asks for. Values of parameters are not looked at.
    ///
    /// Tables are opened for it, and their logs are read, so it is decided and recorded as a question is, and its end is recorded as that of a
    /// whole read that gave no row. A denial reads the same as that of the question.
    ///
    /// # Errors
    /// As [`Door::query`].
    pub async fn describe(&self, asker: &Asker, sql: &str, options: &QueryOptions) -> Result<Described, Error> {
        polled_with_room(self.describe_with_room(asker, sql, options)).await
    }

    async fn describe_with_room(&self, asker: &Asker, sql: &str, options: &QueryOptions) -> Result<Described, Error> {
        let deadline = options.limit.and_then(Deadline::after);
        let request = RequestId::random(self.ports.rng.as_ref())?;
        let asked = Asked::new(self, asker, sql, request, options);
        let (scope, parsed) = match parse(sql).and_then(|parsed| Ok((self.scope(asker, &parsed, options, request)?, parsed))) {
            Ok(decided) => decided,
            Err(error) => return Err(asked.refused(error).await),
        };
        asked.decided(&scope, asker, true).await?;
        let mut outcome = asked.outcome(asker);
        let planned = Deadline::within(deadline, async {
            let opened = open::open(self, &scope).await?;
            self.with_parameters(&parsed, &opened, &options.parameter_types, None).await
        });
        match planned.await {
            Ok(planned) => {
                outcome.finish(true).await?;
                let schema = if parsed.explain { of_explain() } else { planned.schema };
                Ok(Described { parameters: planned.types, schema })
            }
            Err(error) => Err(asked.unanswered(error, outcome).await),
        }
    }
}
