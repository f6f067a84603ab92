//! YAML as a tree in which every node knows its place in the source.
//!
//! The only module that knows the YAML crate. Limits keep a hostile file cheap: its size, depth, nodes and the work
//! that aliases can cause are bounded before anything is built from it.

use crate::diagnostic::Diagnostic;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::Spanned;
use std::{fmt, ops::Range};

/// Largest scenario file that is read, bytes.
pub const MAX_FILE_BYTES: usize = 256 * 1024;
/// Deepest nesting of lists and maps.
const MAX_DEPTH: usize = 24;
/// Most lists, maps and scalars, aliases expanded.
const MAX_NODES: usize = 20_000;

/// One value with its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Identity within one tree; copies keep it.
    pub id: u32,
    /// Byte range in the source. For lists and maps in block style it covers the first entry's first line only.
    pub span: Range<usize>,
    /// Written without quotes.
    pub plain: bool,
    /// The value.
    pub content: Content,
}

#[derive(Clone, Debug)]
pub(crate) enum Content {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// Reads the only document of `source`.
    pub fn parse(source: &str) -> Result<Self, Diagnostic> {
        let options = serde_yaml::options! {
            strict_booleans: true,
            // `010` and `1_000` are read differently by YAML 1.1 and 1.2: texts, so that a number is asked for.
            leading_zero_numbers_as_strings: true,
            underscored_numbers_as_strings: true,
            duplicate_keys: serde_yaml::options::DuplicateKeyPolicy::PassThrough,
            merge_keys: serde_yaml::options::MergeKeyPolicy::Error,
            reject_unsupported_tags: true,
            with_snippet: false,
            alias_limits: serde_yaml::alias_limits! {
                max_total_replayed_events: MAX_NODES,
                max_replay_stack_depth: 8,
            },
            budget: serde_yaml::budget! {
                max_depth: MAX_DEPTH,
                flow_nesting_limit: MAX_DEPTH,
                max_nodes: MAX_NODES,
                max_events: 4 * MAX_NODES,
                max_aliases: 1_000,
                max_anchors: 1_000,
            },
        };
        let root: Spanned<Node> = serde_yaml::from_str_with_options(source, options)
            .map_err(|error| crate::syntax::explain(&error, source))?;
        let mut root = placed(root);
        root.number(&mut 0, source);
        match root.tag(source) {
            Some(tag) => Err(crate::syntax::tag(tag)),
            None => Ok(root),
        }
    }

    /// The place of a tag, such as `!!binary`, before this node or one in it.
    fn tag(&self, source: &str) -> Option<Range<usize>> {
        let children = self.entries().iter().flat_map(|(key, value)| [key, value]).chain(self.elements());
        tag_before(self.span.start, source)
            .or_else(|| children.into_iter().find_map(|child| child.tag(source)))
    }

    /// A map of one entry: `{key: value}`.
    pub fn wrapped(key: &str, value: Node) -> Self {
        let key = Node { content: Content::Text(key.to_owned()), ..value.placeholder() };
        Node { content: Content::Map(vec![(key, value.clone())]), ..value.placeholder() }
    }

    /// `value` at the end of a dotted `path`: `a.b` gives `{a: {b: value}}`.
    pub fn at_path(path: &str, value: Node) -> Self {
        path.rsplit('.').fold(value, |inner, key| Node::wrapped(key, inner))
    }

    /// An empty map at the same place.
    fn placeholder(&self) -> Self {
        Node { id: self.id, span: self.span.clone(), plain: self.plain, content: Content::Map(Vec::new()) }
    }

    /// The text of a string.
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Entries of a map; empty for anything else.
    pub fn entries(&self) -> &[(Node, Node)] {
        match &self.content {
            Content::Map(entries) => entries,
            _ => &[],
        }
    }

    /// Elements of a list; empty for anything else.
    pub fn elements(&self) -> &[Node] {
        match &self.content {
            Content::List(elements) => elements,
            _ => &[],
        }
    }

    /// The entry of a map by its key.
    pub fn entry(&self, key: &str) -> Option<(&Node, &Node)> {
        self.entries().iter().find(|(k, _)| k.text() == Some(key)).map(|(k, v)| (k, v))
    }

    /// The value of a map's entry.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|(_, value)| value)
    }

    /// Puts `value` at a dotted `path`, making maps on the way.
    pub fn set(&mut self, path: &str, value: Node) {
        let (key, rest) = path.split_once('.').map_or((path, None), |(k, r)| (k, Some(r)));
        if !matches!(self.content, Content::Map(_)) {
            self.content = Content::Map(Vec::new());
        }
        let Content::Map(entries) = &mut self.content else { return };
        let index = match entries.iter().position(|(k, _)| k.text() == Some(key)) {
            Some(index) => index,
            None => {
                let key = Node { content: Content::Text(key.to_owned()), ..value.placeholder() };
                entries.push((key, value.placeholder()));
                entries.len() - 1
            }
        };
        match rest {
            None => entries[index].1 = value,
            Some(rest) => entries[index].1.set(rest, value),
        }
    }

    /// The node at a path such as `a.b[0].c` or, where the tree ends early, its last existing ancestor.
    pub fn nearest(&self, path: &str) -> &Node {
        let mut node = self;
        for step in path.split(['.', '[']) {
            let next = match step.strip_suffix(']') {
                Some(index) => index.parse::<usize>().ok().and_then(|index| node.elements().get(index)),
                None => node.get(step),
            };
            let Some(next) = next else { break };
            node = next;
        }
        node
    }

    /// Removes the entry or element that contains the node `id` most closely, and says of which node. `None` if there
    /// is none.
    pub fn remove_around(&mut self, id: u32) -> Option<u32> {
        let own = self.id;
        match &mut self.content {
            Content::List(elements) => {
                let index = elements.iter().position(|element| element.contains(id))?;
                elements[index].remove_around(id).or_else(|| {
                    elements.remove(index);
                    Some(own)
                })
            }
            Content::Map(entries) => {
                let index = entries.iter().position(|(key, value)| key.contains(id) || value.contains(id))?;
                entries[index].1.remove_around(id).or_else(|| {
                    entries.remove(index);
                    Some(own)
                })
            }
            _ => None,
        }
    }

    /// The node with this identity.
    pub fn find(&self, id: u32) -> Option<&Node> {
        let in_entries = || self.entries().iter().find_map(|(_, value)| value.find(id));
        if self.id == id {
            Some(self)
        } else {
            self.elements().iter().find_map(|e| e.find(id)).or_else(in_entries)
        }
    }

    /// Whether a map has `key`, or a slip of it.
    pub fn has_or_means(&self, key: &str) -> bool {
        self.entries()
            .iter()
            .filter_map(|(name, _)| name.text())
            .any(|name| crate::suggest::nearest(name, [key]).is_some())
    }

    fn contains(&self, id: u32) -> bool {
        self.id == id
            || self.elements().iter().any(|element| element.contains(id))
            || self.entries().iter().any(|(key, value)| key.contains(id) || value.contains(id))
    }

    /// The value without places.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value;
        match &self.content {
            Content::Null => Value::Null,
            Content::Bool(value) => Value::Bool(*value),
            Content::Integer(value) => match (u64::try_from(*value), i64::try_from(*value)) {
                (Ok(value), _) => value.into(),
                (_, Ok(value)) => value.into(),
                _ => (*value as f64).into(),
            },
            Content::Float(value) => (*value).into(),
            Content::Text(text) => text.as_str().into(),
            Content::List(elements) => elements.iter().map(Node::to_json).collect(),
            Content::Map(entries) => Value::Object(
                entries
                    .iter()
                    .map(|(key, value)| (key.text().unwrap_or_default().to_owned(), value.to_json()))
                    .collect(),
            ),
        }
    }

    fn number(&mut self, next: &mut u32, source: &str) {
        self.id = *next;
        *next += 1;
        let len = source.len();
        self.span = self.span.start.min(len)..self.span.end.min(len);
        self.plain = !source.as_bytes()[self.span.clone()].starts_with(b"\"")
            && !source.as_bytes()[self.span.clone()].starts_with(b"'");
        match &mut self.content {
            Content::List(elements) => elements.iter_mut().for_each(|element| element.number(next, source)),
            Content::Map(entries) => entries.iter_mut().for_each(|(key, value)| {
                key.number(next, source);
                value.number(next, source);
            }),
            _ => {}
        }
    }
}

fn placed(spanned: Spanned<Node>) -> Node {
    Node { span: byte_range(spanned.referenced), ..spanned.value }
}

/// The place of the tag that ends before `at`. Nothing else that may stand before a node begins with `!`.
pub(crate) fn tag_before(at: usize, source: &str) -> Option<Range<usize>> {
    let before = source.get(..at)?.trim_end();
    let start = before.rfind([' ', '\t', '\n', '[', '{', ',']).map_or(0, |separator| separator + 1);
    before[start..].starts_with('!').then_some(start..before.len())
}

/// Byte range of a location in the source that was parsed.
pub(crate) fn byte_range(location: serde_yaml::Location) -> Range<usize> {
    let span = location.span();
    let start = span.byte_offset().unwrap_or(0) as usize;
    start..start + span.byte_len().unwrap_or(0) as usize
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let content = deserializer.deserialize_any(ContentVisitor)?;
        Ok(Node { id: 0, span: 0..0, plain: true, content })
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Null)
    }
    fn visit_none<E>(self) -> Result<Content, E> {
        Ok(Content::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Integer(value.into()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Integer(value.into()))
    }
    fn visit_i128<E>(self, value: i128) -> Result<Content, E> {
        Ok(Content::Integer(value))
    }
    fn visit_u128<E>(self, value: u128) -> Result<Content, E> {
        Ok(i128::try_from(value).map_or(Content::Float(value as f64), Content::Integer))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Content, E> {
        Ok(Content::Float(value))
    }
    fn visit_str<E>(self, value: &str) -> Result<Content, E> {
        Ok(Content::Text(value.to_owned()))
    }
    fn visit_string<E>(self, value: String) -> Result<Content, E> {
        Ok(Content::Text(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Content, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = seq.next_element::<Spanned<Node>>()? {
            elements.push(placed(element));
        }
        Ok(Content::List(elements))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = map.next_entry::<Spanned<Node>, Spanned<Node>>()? {
            entries.push((placed(key), placed(value)));
        }
        Ok(Content::Map(entries))
    }
}
