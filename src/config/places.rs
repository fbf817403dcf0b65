//! Where each key came from: a position in the file, a variable or a flag. ★

use std::ops::Range;

use toml_edit::{Document, Item, TableLike};

use super::problem::{Key, Place, Problem, Severity, Step};

/// Finds the place of a key.
pub(super) struct Places {
    file: Option<File>,
    /// Later ones win, as their values do.
    named: Vec<(Key, String)>,
}

/// A file that is TOML.
pub(super) struct File {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) document: Document<String>,
}

// === impl File ===

impl File {
    /// Parses the text; a syntax error becomes a problem with its position.
    pub(super) fn parse(name: &str, text: &str) -> Result<Self, Problem> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        match Document::parse(text.to_owned()) {
            Ok(document) => Ok(Self { name: name.to_owned(), text: text.to_owned(), document }),
            Err(error) => Err(Problem {
                severity: Severity::Error,
                place: position(name, text, error.span().map_or(0, |span| span.start)),
                key: Key::default(),
                message: format!("not TOML: {}", error.message().lines().collect::<Vec<_>>().join(", ")),
                fix: None,
            }),
        }
    }
}

// === impl Places ===

impl Places {
    pub(super) fn new(file: Option<File>) -> Self {
        Self { file, named: Vec::new() }
    }

    /// This key's value was replaced by `source` (`env:NAME`, `--flag`).
    pub(super) fn replaced(&mut self, key: Key, source: String) {
        self.named.push((key, source));
    }

    /// The configuration as a whole.
    pub(super) fn whole(&self) -> Place {
        match &self.file {
            Some(file) => Place::File(file.name.clone()),
            None => Place::Source("environment".into()),
        }
    }

    /// Where the key's value stands; for a missing key, the table it belongs into.
    pub(super) fn value(&self, key: &Key) -> Place {
        if let Some((_, source)) = self.named.iter().rev().find(|(known, _)| known.holds(key)) {
            return Place::Source(source.clone());
        }
        self.find(key, false)
    }

    /// Where the key itself stands in the file.
    pub(super) fn name(&self, key: &Key) -> Place {
        self.find(key, true)
    }

    /// Where the value stands in the file, whatever replaced it.
    pub(super) fn in_file(&self, key: &Key) -> Place {
        self.find(key, false)
    }

    fn find(&self, key: &Key, at_name: bool) -> Place {
        let Some(file) = &self.file else { return self.whole() };
        match span(file.document.as_item(), &key.0, at_name) {
            Some(span) => position(&file.name, &file.text, span.start),
            None => self.whole(),
        }
    }
}

/// The span of the last step that exists. `None`: not even the first.
fn span(root: &Item, steps: &[Step], at_name: bool) -> Option<Range<usize>> {
    let mut found = None;
    let mut node = Node::Item(root);
    for (at, step) in steps.iter().enumerate() {
        let last = at + 1 == steps.len();
        match step {
            Step::Name(name) => {
                let Some((key, item)) = node.table().and_then(|table| table.get_key_value(name)) else {
                    break;
                };
                // A table is announced by its key; a dotted one has no span of its own.
                let named = key.span();
                found = if (last && at_name) || item.is_table_like() && !item.is_inline_table() {
                    named.or(item.span())
                } else {
                    item.span().or(named)
                }
                .or(found);
                node = Node::Item(item);
            }
            Step::Index(index) => {
                let Some(inner) = node.element(*index) else { break };
                found = inner.span().or(found);
                node = inner;
            }
        }
    }
    found
}

/// Something in the tree: list elements are values, `[[tables]]` are tables, the rest items.
#[derive(Clone, Copy)]
enum Node<'a> {
    Item(&'a Item),
    Value(&'a toml_edit::Value),
    Table(&'a toml_edit::Table),
}

// === impl Node ===

impl<'a> Node<'a> {
    fn table(self) -> Option<&'a dyn TableLike> {
        match self {
            Self::Item(item) => item.as_table_like(),
            Self::Value(value) => value.as_inline_table().map(|table| table as &dyn TableLike),
            Self::Table(table) => Some(table),
        }
    }

    fn element(self, index: usize) -> Option<Self> {
        match self {
            Self::Item(Item::ArrayOfTables(tables)) => tables.get(index).map(Self::Table),
            Self::Item(item) => item.as_array()?.get(index).map(Self::Value),
            Self::Value(value) => value.as_array()?.get(index).map(Self::Value),
            Self::Table(_) => None,
        }
    }

    fn span(self) -> Option<Range<usize>> {
        match self {
            Self::Item(item) => item.span(),
            Self::Value(value) => value.span(),
            Self::Table(table) => table.span(),
        }
    }
}

fn position(file: &str, text: &str, offset: usize) -> Place {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Place::At {
        file: file.to_owned(),
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}
