//! The document as a tree that keeps positions: what both syntaxes are read into.
//!
//! Nodes live in one arena and a YAML alias is a node that points at its target, so a document takes memory in proportion
//! to its bytes whatever its aliases multiply to.

mod json;
mod yaml;

use std::borrow::Cow;
use std::hash::{BuildHasherDefault, Hasher};

use serde::{Deserialize, Serialize};

pub(crate) use super::{DEPTH_MAX, Refused};

use super::quote;

/// Values (scalars, lists, maps) in one document. GitHub's 13 MB hold 258,000.
pub(crate) const NODES_MAX: usize = 2_000_000;
/// Values that a reader would see who follows every alias.
const EXPANDED_MAX: u64 = 4_000_000;
/// Entries from which on a map gets an index: below, a walk over the entries is as fast.
const INDEX_FROM: usize = 12;

/// Where a node stands: line and column count from 1. Columns are characters in YAML and bytes in JSON, where no one counts them twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

impl Refused {
    /// Says where in the document that is being read; whoever reads it says which file that is.
    pub(crate) fn here(mut self, position: Position) -> Self {
        self.line = Some(position.line);
        self.column = Some(position.column);
        self
    }
}

fn too_deep(position: Position) -> Refused {
    let message = format!("The document is nested deeper than {DEPTH_MAX} levels, which is the most that is read.");
    Refused::new("too-deep", message).here(position)
}

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Syntax {
    /// JSON (RFC 8259).
    Json,
    /// YAML 1.2.
    Yaml,
    /// GraphQL's schema definition language.
    Graphql,
    /// The language of Protocol Buffers (`.proto`).
    Protobuf,
    /// Several files in a zip archive.
    Zip,
    /// Several files in a tar archive.
    Tar,
}

impl Syntax {
    /// Its media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
            Self::Graphql => "application/graphql",
            // None is registered for the language; this is what editors and tools say.
            Self::Protobuf => "text/x-protobuf",
            Self::Zip => "application/zip",
            Self::Tar => "application/x-tar",
        }
    }

    /// Whether a file's name says that it is one of these.
    pub(crate) fn is_named(path: &str) -> bool {
        let ending = path.rsplit_once('.').map_or("", |(_, ending)| ending);
        ["json", "yaml", "yml"].iter().any(|known| ending.eq_ignore_ascii_case(known))
    }

    /// How a file is written, by its name or else by how it begins.
    pub(crate) fn of(path: &str, text: &str) -> Self {
        match path.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).as_deref() {
            Some("json") => Self::Json,
            Some("yaml" | "yml") => Self::Yaml,
            _ if text.trim_start().starts_with(['{', '[']) => Self::Json,
            _ => Self::Yaml,
        }
    }
}

/// Reads a text without byte order mark into a tree.
pub(crate) fn read(text: &str, syntax: Syntax) -> Result<(Tree<'_>, NodeId), Refused> {
    match syntax {
        Syntax::Json => json::read(text),
        _ => yaml::read(text),
    }
}

/// Reads the documents of a YAML text without byte order mark into one tree: at most so many, `more` says what is wrong with the next.
pub(crate) fn read_documents<'a>(text: &'a str, most: usize, more: &str) -> Result<(Tree<'a>, Vec<NodeId>), Refused> {
    yaml::read_documents(text, most, more)
}

/// A node's place in its tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct NodeId(u32);

impl NodeId {
    /// For tables that run beside the tree.
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// One entry of a map, with the position of its key.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) key: Cow<'a, str>,
    pub(crate) position: Position,
    pub(crate) value: NodeId,
}

/// What a node is.
#[derive(Debug)]
pub(crate) enum Kind<'a> {
    Null,
    Bool(bool),
    Number(Cow<'a, str>),
    String(Cow<'a, str>),
    List(Vec<NodeId>),
    Map(Vec<Entry<'a>>),
    /// A YAML alias: the target was complete before the alias was made, so there are no cycles.
    Alias(NodeId),
}

#[derive(Debug)]
struct Node<'a> {
    kind: Kind<'a>,
    position: Position,
    /// The [marks](mark) of a map's keys: a key whose mark is missing is not there, and nobody has to look for it.
    marks: u64,
}

/// One bit of 64 for a key. A reader asks each schema for some twenty keys, of which it has three.
#[inline]
fn mark(key: &str) -> u64 {
    let bytes = key.as_bytes();
    let (first, last) = (bytes.first().copied().unwrap_or_default(), bytes.last().copied().unwrap_or_default());
    let mixed = usize::from(first).wrapping_mul(5) ^ usize::from(last).wrapping_mul(3) ^ bytes.len();
    1 << (mixed & 63)
}

/// The hash of a node's place. The places are counted up from 0, so that no document can make many of them collide.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PlaceHasher(u64);

/// For tables by nodes: a table by foreign texts must not use it.
pub(crate) type ByPlace = BuildHasherDefault<PlaceHasher>;

impl Hasher for PlaceHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    #[inline]
    fn write_u32(&mut self, number: u32) {
        // An odd factor keeps the low bits of different places apart, and fills the high ones, which the table looks at too.
        self.0 = (self.0.rotate_left(26) ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// A document's nodes.
#[derive(Debug, Default)]
pub(crate) struct Tree<'a> {
    nodes: Vec<Node<'a>>,
    /// How many values each node is with its aliases followed, saturating.
    expanded: Vec<u64>,
    /// The places of the entries in the order of their keys, for the maps that are long, in the order of the maps.
    indexes: Vec<(NodeId, Box<[u32]>)>,
}

static NULL: Kind<'static> = Kind::Null;

impl<'a> Tree<'a> {
    /// Adds a node whose children are already there.
    pub(crate) fn add(&mut self, kind: Kind<'a>, position: Position) -> Result<NodeId, Refused> {
        if self.nodes.len() >= NODES_MAX {
            return Err(Refused::new(
                "too-many-values",
                format!("The document has more than {NODES_MAX} values, which is the most that is read."),
            )
            .here(position));
        }
        let id = NodeId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        let weight = |child: &NodeId| self.expanded.get(child.0 as usize).copied().unwrap_or(1);
        let expanded = match &kind {
            Kind::List(items) => items.iter().map(weight).fold(1, u64::saturating_add),
            Kind::Map(entries) => entries.iter().map(|entry| weight(&entry.value)).fold(1, u64::saturating_add),
            Kind::Alias(target) => weight(target),
            _ => 1,
        };
        if expanded > EXPANDED_MAX {
            return Err(Refused::new(
                "aliases-multiply",
                format!(
                    "The document's aliases stand for more than {EXPANDED_MAX} values, which is the most that is read."
                ),
            )
            .here(position));
        }
        let mut marks = 0;
        if let Kind::Map(entries) = &kind {
            self.check_keys(id, entries)?;
            marks = entries.iter().fold(0, |marks, entry| marks | mark(&entry.key));
        }
        self.nodes.push(Node { kind, position, marks });
        self.expanded.push(expanded);
        Ok(id)
    }

    fn check_keys(&mut self, id: NodeId, entries: &[Entry<'a>]) -> Result<(), Refused> {
        let twice = |entry: &Entry<'_>, first: Position| {
            Refused::new(
                "duplicate-key",
                format!("The key {} is there twice; the first one is in line {}.", quote(&entry.key), first.line),
            )
            .here(entry.position)
        };
        if entries.len() < INDEX_FROM {
            for (place, entry) in entries.iter().enumerate() {
                if let Some(first) = entries.iter().take(place).find(|first| first.key == entry.key) {
                    return Err(twice(entry, first.position));
                }
            }
            return Ok(());
        }
        let mut sorted: Vec<(&Entry<'a>, u32)> = entries.iter().zip(0..).collect();
        sorted.sort_unstable_by(|left, right| left.0.key.cmp(&right.0.key).then(left.1.cmp(&right.1)));
        let again = sorted.windows(2).filter_map(|pair| match pair {
            [(first, _), (second, place)] if first.key == second.key => Some((place, *second, first.position)),
            _ => None,
        });
        if let Some((_, entry, first)) = again.min_by_key(|(place, _, _)| **place) {
            return Err(twice(entry, first));
        }
        self.indexes.push((id, sorted.into_iter().map(|(_, place)| place).collect()));
        Ok(())
    }

    /// The number of nodes.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// A node's own kind: an alias stays one.
    pub(crate) fn raw(&self, id: NodeId) -> &Kind<'a> {
        self.nodes.get(id.0 as usize).map_or(&NULL, |node| &node.kind)
    }

    /// The node that this one stands for: an alias' target, or itself.
    #[inline]
    pub(crate) fn target(&self, id: NodeId) -> NodeId {
        let mut id = id;
        while let Kind::Alias(target) = self.raw(id) {
            id = *target;
        }
        id
    }

    /// What a node is, aliases followed.
    #[inline]
    pub(crate) fn kind(&self, id: NodeId) -> &Kind<'a> {
        self.raw(self.target(id))
    }

    pub(crate) fn position(&self, id: NodeId) -> Position {
        self.nodes.get(id.0 as usize).map_or(Position { line: 1, column: 1 }, |node| node.position)
    }

    /// The entries of a map; nothing for anything else.
    pub(crate) fn entries(&self, id: NodeId) -> &[Entry<'a>] {
        match self.kind(id) {
            Kind::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The entry of a map with this key.
    #[inline]
    pub(crate) fn entry(&self, id: NodeId, key: &str) -> Option<&Entry<'a>> {
        let mut node = self.nodes.get(id.0 as usize)?;
        let mut id = id;
        while let Kind::Alias(target) = node.kind {
            (id, node) = (target, self.nodes.get(target.0 as usize)?);
        }
        if node.marks & mark(key) == 0 { None } else { self.find(id, node, key) }
    }

    fn find<'t>(&'t self, id: NodeId, node: &'t Node<'a>, key: &str) -> Option<&'t Entry<'a>> {
        let Kind::Map(entries) = &node.kind else { return None };
        if entries.len() < INDEX_FROM {
            return entries.iter().find(|entry| entry.key == key);
        }
        let at = self.indexes.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        let (_, index) = self.indexes.get(at)?;
        let key_of = |place: &u32| entries.get(*place as usize).map_or("", |entry| &*entry.key);
        let at = index.binary_search_by(|place| key_of(place).cmp(key)).ok()?;
        entries.get(*index.get(at)? as usize)
    }

    /// The value of a map under this key.
    pub(crate) fn get(&self, id: NodeId, key: &str) -> Option<NodeId> {
        self.entry(id, key).map(|entry| entry.value)
    }

    /// The text of a string.
    pub(crate) fn text(&self, id: NodeId) -> Option<&str> {
        match self.kind(id) {
            Kind::String(text) => Some(text),
            _ => None,
        }
    }

    /// The text of a string, or of a scalar that YAML took for a number (`version: 1.0`).
    pub(crate) fn loose_text(&self, id: NodeId) -> Option<&str> {
        match self.kind(id) {
            Kind::String(text) | Kind::Number(text) => Some(text),
            _ => None,
        }
    }

    /// What a kind is called in a message.
    pub(crate) fn name(&self, id: NodeId) -> &'static str {
        match self.kind(id) {
            Kind::Null | Kind::Alias(_) => "null",
            Kind::Bool(_) => "a boolean",
            Kind::Number(_) => "a number",
            Kind::String(_) => "a string",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }
}
