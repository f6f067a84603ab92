//! What each build offers in TLS: the ClientHello that a row without parameters has observed.

use crate::matrix::Column;
use record::{ClientHello, Results};

/// One property of a ClientHello.
pub(crate) struct Capability {
    pub name: &'static str,
    /// A value for each column; none where no ClientHello was seen.
    pub values: Vec<Option<String>>,
}

type Property = (&'static str, fn(&ClientHello) -> String);

const PROPERTIES: &[Property] = &[
    ("versions", |hello| list(&hello.versions)),
    ("cipher suites", |hello| suites(&hello.suites)),
    ("groups", |hello| list(&hello.groups)),
    ("signature algorithms", |hello| list(&hello.signature_algorithms)),
    ("server name (SNI)", |hello| hello.server_name.clone().unwrap_or_else(|| NONE.to_owned())),
    ("application protocols (ALPN)", |hello| list(&hello.alpn)),
    ("session tickets", |hello| yes(hello.session_ticket)),
    ("resumes sessions", |hello| yes(hello.resumes)),
    ("extensions", |hello| list(&hello.extensions)),
];
const NONE: &str = "none";

/// Every property of what the builds offer; nothing if no row of the run has observed it.
pub(crate) fn capabilities(results: &Results, columns: &[Column<'_>]) -> Vec<Capability> {
    let hellos: Vec<_> = columns.iter().map(|column| hello(results, column.id)).collect();
    if hellos.iter().all(Option::is_none) {
        return Vec::new();
    }
    let capability = |(name, say): &Property| Capability {
        name,
        values: hellos.iter().map(|hello| hello.map(say)).collect(),
    };
    PROPERTIES.iter().map(capability).collect()
}

/// What a build offers when nothing was asked of it: a cell with parameters may have told it what to offer.
fn hello<'a>(results: &'a Results, firmware: &str) -> Option<&'a ClientHello> {
    let mut own = results.cells.iter().filter(|cell| cell.firmware == firmware && cell.params.is_empty());
    own.find_map(|cell| cell.client_hello.as_ref())
}

fn list(items: &[String]) -> String {
    if items.is_empty() { NONE.to_owned() } else { items.join(", ") }
}

fn suites(items: &[String]) -> String {
    if items.is_empty() { NONE.to_owned() } else { format!("{} suites: {}", items.len(), items.join(", ")) }
}

fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}

impl Capability {
    /// Each value with the columns that have it, in the order of the columns.
    pub fn by_value(&self) -> Vec<(&str, Vec<usize>)> {
        let mut by_value: Vec<(&str, Vec<usize>)> = Vec::new();
        for (column, value) in self.values.iter().enumerate() {
            let Some(value) = value else { continue };
            match by_value.iter_mut().find(|(known, _)| known == value) {
                Some((_, columns)) => columns.push(column),
                None => by_value.push((value, vec![column])),
            }
        }
        by_value
    }
}
