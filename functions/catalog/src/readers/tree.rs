//! The document as a tree that keeps positions: what both syntaxes are read into.
//!
//! Nodes live in arenas, texts are places in the document, and a YAML alias is a node that points at its target, so that a document takes
//! about as much memory again as it has bytes, whatever its aliases multiply to.

mod json;
mod yaml;

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
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'t> {
    pub(crate) key: &'t str,
    pub(crate) position: Position,
    pub(crate) value: NodeId,
}

/// What a node is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind<'t> {
    Null,
    Bool(bool),
    Number(&'t str),
    String(&'t str),
    List(&'t [NodeId]),
    Map(Entries<'t>),
    /// A YAML alias; what it names is [another node](Tree::target).
    Alias,
}

/// The entries of a map.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Entries<'t> {
    slots: &'t [Slot],
    texts: Texts<'t>,
}

impl<'t> Entries<'t> {
    /// The entry of a value. Values are complete in the order of their entries, and so are their numbers.
    pub(crate) fn of(self, value: NodeId) -> Option<Entry<'t>> {
        let place = self.slots.binary_search_by_key(&value, |slot| slot.value).ok()?;
        self.slots.get(place).map(|slot| self.texts.entry(*slot))
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Entry<'t>> {
        self.slots.iter().map(move |slot| self.texts.entry(*slot))
    }
}

/// A text by its place: in the document, or behind it in what was unescaped.
#[derive(Clone, Copy, Debug)]
struct Piece {
    start: u32,
    length: u32,
}

/// An entry as it is kept.
#[derive(Clone, Copy, Debug)]
struct Slot {
    key: Piece,
    position: Position,
    value: NodeId,
}

/// A node as it is kept: in few bytes, because a document of 13 MB has 258,000 of them.
#[derive(Clone, Copy, Debug)]
enum Stored {
    Null,
    Bool(bool),
    Number(Piece),
    String(Piece),
    /// Where its items begin, and how many there are.
    List(u32, u32),
    /// The number of its head.
    Map(u32),
    /// A YAML alias: the target was complete before the alias was made, so there are no cycles.
    Alias(NodeId),
}

#[derive(Debug)]
struct Node {
    stored: Stored,
    position: Position,
}

/// What a map is beside its position.
#[derive(Debug)]
struct Head {
    /// The [marks](mark) of its keys: a key whose mark is missing is not there, and nobody has to look for it.
    marks: u64,
    /// Where its entries begin, and how many there are.
    start: u32,
    length: u32,
}

/// What the pieces are pieces of.
#[derive(Clone, Copy, Debug, Default)]
struct Texts<'t> {
    document: &'t str,
    unescaped: &'t str,
}

impl<'t> Texts<'t> {
    #[inline]
    fn get(self, piece: Piece) -> &'t str {
        let (start, length) = (piece.start as usize, piece.length as usize);
        let (text, start) = match start.checked_sub(self.document.len()) {
            None => (self.document, start),
            Some(start) => (self.unescaped, start),
        };
        text.get(start..start + length).unwrap_or_default()
    }

    /// Whether a piece is this text.
    #[inline]
    fn is(self, piece: Piece, text: &str) -> bool {
        piece.length as usize == text.len() && self.get(piece) == text
    }

    fn entry(self, slot: Slot) -> Entry<'t> {
        Entry { key: self.get(slot.key), position: slot.position, value: slot.value }
    }
}

/// One bit of 64 for a key. A reader asks each schema for some twenty keys, of which it has three.
#[inline]
fn mark(key: &str) -> u64 {
    let bytes = key.as_bytes();
    let (first, last) = (bytes.first().copied().unwrap_or_default(), bytes.last().copied().unwrap_or_default());
    let mixed = usize::from(first).wrapping_mul(5) ^ usize::from(last).wrapping_mul(3) ^ bytes.len();
    1 << (mixed & 63)
}

/// A count that the limits keep far below the largest number.
fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A document's nodes.
#[derive(Debug, Default)]
pub(crate) struct Tree<'a> {
    document: &'a str,
    unescaped: String,
    nodes: Vec<Node>,
    /// The items of all lists, and the entries of all maps, each one's together.
    items: Vec<NodeId>,
    slots: Vec<Slot>,
    heads: Vec<Head>,
    /// How many values each node is with its aliases followed, saturating; empty until there is an alias.
    expanded: Vec<u64>,
    /// The places of the entries in the order of their keys, for the maps that are long, in the order of the maps' heads.
    indexes: Vec<(u32, Box<[u32]>)>,
}

impl<'a> Tree<'a> {
    fn of(document: &'a str) -> Self {
        Self { document, ..Self::default() }
    }

    fn texts(&self) -> Texts<'_> {
        Texts { document: self.document, unescaped: &self.unescaped }
    }

    /// A piece of the document, by where it begins and ends.
    fn piece(start: usize, end: usize) -> Piece {
        Piece { start: narrow(start), length: narrow(end - start) }
    }

    /// Keeps a text: where it is a piece of the document, it is not copied.
    fn keep(&mut self, text: &str) -> Piece {
        let start = text.as_ptr().addr().wrapping_sub(self.document.as_ptr().addr());
        let end = start.saturating_add(text.len());
        if end <= self.document.len() && self.document.get(start..end) == Some(text) {
            return Self::piece(start, end);
        }
        let start = self.document.len() + self.unescaped.len();
        self.unescaped.push_str(text);
        Self::piece(start, start + text.len())
    }

    /// Adds a list whose items are already there.
    fn list(&mut self, items: &[NodeId], position: Position) -> Result<NodeId, Refused> {
        let start = narrow(self.items.len());
        self.items.extend_from_slice(items);
        self.add(Stored::List(start, narrow(items.len())), position)
    }

    /// Adds a map whose values are already there.
    fn map(&mut self, slots: &[Slot], position: Position) -> Result<NodeId, Refused> {
        let marks = self.check_keys(slots)?;
        let (start, head) = (narrow(self.slots.len()), narrow(self.heads.len()));
        self.slots.extend_from_slice(slots);
        self.heads.push(Head { marks, start, length: narrow(slots.len()) });
        self.add(Stored::Map(head), position)
    }

    /// Adds an alias of a node that is there.
    fn alias(&mut self, target: NodeId, position: Position) -> Result<NodeId, Refused> {
        if self.expanded.is_empty() {
            // Until now every value was itself, and its children come before it.
            self.expanded.reserve(self.nodes.len());
            for place in 0..self.nodes.len() {
                let weight = self.nodes.get(place).map_or(1, |node| self.weight(node.stored));
                self.expanded.push(weight);
            }
        }
        self.add(Stored::Alias(target), position)
    }

    /// Adds a node whose children are already there.
    fn add(&mut self, stored: Stored, position: Position) -> Result<NodeId, Refused> {
        if self.nodes.len() >= NODES_MAX {
            return Err(Refused::new(
                "too-many-values",
                format!("The document has more than {NODES_MAX} values, which is the most that is read."),
            )
            .here(position));
        }
        if !self.expanded.is_empty() {
            let expanded = self.weight(stored);
            if expanded > EXPANDED_MAX {
                return Err(Refused::new(
                    "aliases-multiply",
                    format!(
                        "The document's aliases stand for more than {EXPANDED_MAX} values, which is the most that is read."
                    ),
                )
                .here(position));
            }
            self.expanded.push(expanded);
        }
        let id = NodeId(narrow(self.nodes.len()));
        self.nodes.push(Node { stored, position });
        Ok(id)
    }

    fn weight(&self, stored: Stored) -> u64 {
        let weight = |child: NodeId| self.expanded.get(child.index()).copied().unwrap_or(1);
        match stored {
            Stored::List(start, length) => {
                self.listed(start, length).iter().copied().map(weight).fold(1, u64::saturating_add)
            }
            Stored::Map(head) => self.slots_of(head).iter().map(|slot| weight(slot.value)).fold(1, u64::saturating_add),
            Stored::Alias(target) => weight(target),
            _ => 1,
        }
    }

    fn listed(&self, start: u32, length: u32) -> &[NodeId] {
        let start = start as usize;
        self.items.get(start..start + length as usize).unwrap_or_default()
    }

    fn slots_of(&self, head: u32) -> &[Slot] {
        let Some(head) = self.heads.get(head as usize) else { return &[] };
        let start = head.start as usize;
        self.slots.get(start..start + head.length as usize).unwrap_or_default()
    }

    /// The marks of a map's keys, none of which may be there twice.
    fn check_keys(&mut self, slots: &[Slot]) -> Result<u64, Refused> {
        let texts = self.texts();
        let mut marks = 0;
        let twice = |again: Slot, first: Position| {
            let key = quote(texts.get(again.key));
            Refused::new(
                "duplicate-key",
                format!("The key {key} is there twice; the first one is in line {}.", first.line),
            )
            .here(again.position)
        };
        if slots.len() < INDEX_FROM {
            for (place, slot) in slots.iter().enumerate() {
                let key = texts.get(slot.key);
                let mark = mark(key);
                // A key whose mark is new was not there.
                if marks & mark != 0
                    && let Some(first) = slots.iter().take(place).find(|first| texts.is(first.key, key))
                {
                    return Err(twice(*slot, first.position));
                }
                marks |= mark;
            }
            return Ok(marks);
        }
        let mut sorted: Vec<(&str, &Slot, u32)> =
            slots.iter().zip(0..).map(|(slot, place)| (texts.get(slot.key), slot, place)).collect();
        marks = sorted.iter().fold(marks, |marks, (key, ..)| marks | mark(key));
        sorted.sort_unstable_by_key(|(key, _, place)| (*key, *place));
        let again = sorted.windows(2).filter_map(|pair| match pair {
            [(first, slot, _), (second, again, place)] if first == second => Some((place, **again, slot.position)),
            _ => None,
        });
        if let Some((_, slot, first)) = again.min_by_key(|(place, _, _)| **place) {
            return Err(twice(slot, first));
        }
        let index = sorted.into_iter().map(|(_, _, place)| place).collect();
        self.indexes.push((narrow(self.heads.len()), index));
        Ok(marks)
    }

    /// The number of nodes.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// A node's own kind: an alias stays one.
    pub(crate) fn raw(&self, id: NodeId) -> Kind<'_> {
        let texts = self.texts();
        match self.nodes.get(id.index()).map_or(Stored::Null, |node| node.stored) {
            Stored::Null => Kind::Null,
            Stored::Bool(value) => Kind::Bool(value),
            Stored::Number(piece) => Kind::Number(texts.get(piece)),
            Stored::String(piece) => Kind::String(texts.get(piece)),
            Stored::List(start, length) => Kind::List(self.listed(start, length)),
            Stored::Map(head) => Kind::Map(Entries { slots: self.slots_of(head), texts }),
            Stored::Alias(_) => Kind::Alias,
        }
    }

    /// The node that this one stands for: an alias' target, or itself.
    #[inline]
    pub(crate) fn target(&self, id: NodeId) -> NodeId {
        let mut id = id;
        while let Some(Node { stored: Stored::Alias(target), .. }) = self.nodes.get(id.index()) {
            id = *target;
        }
        id
    }

    /// What a node is, aliases followed.
    #[inline]
    pub(crate) fn kind(&self, id: NodeId) -> Kind<'_> {
        self.raw(self.target(id))
    }

    pub(crate) fn position(&self, id: NodeId) -> Position {
        self.nodes.get(id.index()).map_or(Position { line: 1, column: 1 }, |node| node.position)
    }

    /// The entries of a map; nothing for anything else.
    pub(crate) fn entries(&self, id: NodeId) -> Entries<'_> {
        match self.kind(id) {
            Kind::Map(entries) => entries,
            _ => Entries::default(),
        }
    }

    /// The entry of a map with this key.
    pub(crate) fn entry(&self, id: NodeId, key: &str) -> Option<Entry<'_>> {
        self.slot(id, key).map(|slot| self.texts().entry(*slot))
    }

    #[inline]
    fn slot(&self, id: NodeId, key: &str) -> Option<&Slot> {
        let Stored::Map(head) = self.nodes.get(self.target(id).index())?.stored else { return None };
        if self.heads.get(head as usize)?.marks & mark(key) == 0 { None } else { self.find(head, key) }
    }

    fn find(&self, head: u32, key: &str) -> Option<&Slot> {
        let (texts, slots) = (self.texts(), self.slots_of(head));
        if slots.len() < INDEX_FROM {
            return slots.iter().find(|slot| texts.is(slot.key, key));
        }
        let at = self.indexes.binary_search_by_key(&head, |(head, _)| *head).ok()?;
        let (_, index) = self.indexes.get(at)?;
        let key_of = |place: &u32| slots.get(*place as usize).map_or("", |slot| texts.get(slot.key));
        let at = index.binary_search_by(|place| key_of(place).cmp(key)).ok()?;
        slots.get(*index.get(at)? as usize)
    }

    /// The value of a map under this key.
    pub(crate) fn get(&self, id: NodeId, key: &str) -> Option<NodeId> {
        self.slot(id, key).map(|slot| slot.value)
    }

    /// The text of a string.
    pub(crate) fn text(&self, id: NodeId) -> Option<&str> {
        match self.nodes.get(self.target(id).index())?.stored {
            Stored::String(piece) => Some(self.texts().get(piece)),
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
            Kind::Null | Kind::Alias => "null",
            Kind::Bool(_) => "a boolean",
            Kind::Number(_) => "a number",
            Kind::String(_) => "a string",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }
}
