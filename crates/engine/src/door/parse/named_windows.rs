//! Named windows, written out where they are used. The planner does so in the list of columns alone, where it mistakes a name of
//! a query inside for its own; elsewhere it takes `sum(x) OVER w` for the aggregate `sum(x)`.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, NamedWindowDefinition, NamedWindowExpr, Query, Select, SetExpr, Visit, VisitMut, Visitor, VisitorMut, WindowSpec, WindowType,
};

use super::TOKENS_MAX;
use super::clauses::normalized;
use crate::error::Error;

/// Writes out the windows of a query, those of the queries inside it first, so that each name is looked up where it stands.
pub(super) struct WriteOut {
    /// Expressions that may still be written: a long window used often would take any memory.
    left: usize,
}

impl WriteOut {
    pub(super) fn new() -> Self {
        Self { left: TOKENS_MAX }
    }

    fn within<T: VisitMut>(&mut self, part: &mut T, windows: &BTreeMap<String, Window>) -> ControlFlow<Error> {
        part.visit(&mut Uses { windows, left: &mut self.left })
    }
}

struct Window {
    spec: WindowSpec,
    expressions: usize,
}

impl VisitorMut for WriteOut {
    type Break = Error;

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        let windows = definitions(&select.named_window)?;
        self.within(select, &windows)
    }

    /// The order of a query knows the windows of its SELECT.
    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        let Some(order_by) = &mut query.order_by else { return ControlFlow::Continue(()) };
        let windows = match query.body.as_ref() {
            SetExpr::Select(select) => definitions(&select.named_window)?,
            _ => BTreeMap::new(),
        };
        self.within(order_by, &windows)
    }
}

fn definitions(named: &[NamedWindowDefinition]) -> ControlFlow<Error, BTreeMap<String, Window>> {
    let mut windows = BTreeMap::new();
    for NamedWindowDefinition(name, definition) in named {
        let NamedWindowExpr::WindowSpec(spec) = definition else { continue };
        let mut size = Size { expressions: 1 };
        spec.visit(&mut size)?;
        let name = normalized(name);
        if windows.insert(name.clone(), Window { spec: spec.clone(), expressions: size.expressions }).is_some() {
            return ControlFlow::Break(Error::Plan(format!("the window {name} is defined more than once")));
        }
    }
    ControlFlow::Continue(windows)
}

/// How large a window's definition is.
struct Size {
    expressions: usize,
}

impl Visitor for Size {
    type Break = Error;

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<Error> {
        self.expressions = self.expressions.saturating_add(1);
        match expression {
            Expr::Function(function) if function.over.is_some() => {
                ControlFlow::Break(Error::Plan("a window is defined by another; compute the other in a subquery".to_owned()))
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

struct Uses<'a> {
    windows: &'a BTreeMap<String, Window>,
    left: &'a mut usize,
}

impl VisitorMut for Uses<'_> {
    type Break = Error;

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<Error> {
        let Expr::Function(function) = expression else { return ControlFlow::Continue(()) };
        let Some(WindowType::NamedWindow(name)) = &function.over else { return ControlFlow::Continue(()) };
        let name = normalized(name);
        let Some(window) = self.windows.get(&name) else {
            let text = format!("the window {name} is not defined; define it with WINDOW {name} AS (...) in the same SELECT");
            return ControlFlow::Break(Error::Plan(text));
        };
        let Some(left) = self.left.checked_sub(window.expressions) else {
            return ControlFlow::Break(Error::TooLong { max: TOKENS_MAX, unit: "words and signs with its named windows written out" });
        };
        *self.left = left;
        function.over = Some(WindowType::WindowSpec(window.spec.clone()));
        ControlFlow::Continue(())
    }
}
