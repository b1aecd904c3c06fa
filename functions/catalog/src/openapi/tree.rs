//! The document as a tree that keeps positions: what both syntaxes are read into.
//!
//! Nodes live in one arena and a YAML alias is a node that points at its target, so a document takes memory in proportion
//! to its bytes whatever its aliases multiply to.

use std::borrow::Cow;
use std::collections::HashMap;

use super::ReadError;

/// Levels of nesting that are read. The deepest document of the public corpora has 48.
pub(super) const DEPTH_MAX: usize = 200;
/// Values (scalars, lists, maps) in one document. GitHub's 13 MB hold 258,000.
pub(super) const NODES_MAX: usize = 2_000_000;
/// Values that a reader would see who follows every alias.
const EXPANDED_MAX: u64 = 4_000_000;
/// Entries from which on a map gets an index: below, a walk over the entries is as fast.
const INDEX_FROM: usize = 12;

/// Where a node stands: line and column count from 1. Columns are characters in YAML and bytes in JSON, where no one counts them twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) line: u32,
    pub(super) column: u32,
}

/// A node's place in its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct NodeId(u32);

impl NodeId {
    /// For tables that run beside the tree.
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// One entry of a map, with the position of its key.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) key: Cow<'a, str>,
    pub(super) position: Position,
    pub(super) value: NodeId,
}

/// What a node is.
#[derive(Debug)]
pub(super) enum Kind<'a> {
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
}

/// A document's nodes.
#[derive(Debug, Default)]
pub(super) struct Tree<'a> {
    nodes: Vec<Node<'a>>,
    /// How many values each node is with its aliases followed, saturating.
    expanded: Vec<u64>,
    /// Key to place, for the maps that are long.
    indexes: HashMap<NodeId, HashMap<Cow<'a, str>, u32>>,
}

static NULL: Kind<'static> = Kind::Null;

impl<'a> Tree<'a> {
    /// Adds a node whose children are already there.
    pub(super) fn add(&mut self, kind: Kind<'a>, position: Position) -> Result<NodeId, ReadError> {
        if self.nodes.len() >= NODES_MAX {
            return Err(ReadError::new(
                "too-many-values",
                format!("The document has more than {NODES_MAX} values, which is the most that is read."),
            )
            .at(position));
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
            return Err(ReadError::new(
                "aliases-multiply",
                format!(
                    "The document's aliases stand for more than {EXPANDED_MAX} values, which is the most that is read."
                ),
            )
            .at(position));
        }
        if let Kind::Map(entries) = &kind {
            self.check_keys(id, entries)?;
        }
        self.nodes.push(Node { kind, position });
        self.expanded.push(expanded);
        Ok(id)
    }

    fn check_keys(&mut self, id: NodeId, entries: &[Entry<'a>]) -> Result<(), ReadError> {
        let twice = |entry: &Entry<'_>, first: Position| {
            ReadError::new(
                "duplicate-key",
                format!("The key {} is there twice; the first one is in line {}.", quote(&entry.key), first.line),
            )
            .at(entry.position)
        };
        if entries.len() < INDEX_FROM {
            for (place, entry) in entries.iter().enumerate() {
                if let Some(first) = entries.iter().take(place).find(|first| first.key == entry.key) {
                    return Err(twice(entry, first.position));
                }
            }
            return Ok(());
        }
        let mut index = HashMap::with_capacity(entries.len());
        for (place, entry) in (0_u32..).zip(entries) {
            if let Some(first) = index.insert(entry.key.clone(), place) {
                let first = entries.get(first as usize).map_or(entry.position, |first| first.position);
                return Err(twice(entry, first));
            }
        }
        self.indexes.insert(id, index);
        Ok(())
    }

    /// The number of nodes.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// A node's own kind: an alias stays one.
    pub(super) fn raw(&self, id: NodeId) -> &Kind<'a> {
        self.nodes.get(id.0 as usize).map_or(&NULL, |node| &node.kind)
    }

    /// The node that this one stands for: an alias' target, or itself.
    pub(super) fn target(&self, id: NodeId) -> NodeId {
        let mut id = id;
        while let Kind::Alias(target) = self.raw(id) {
            id = *target;
        }
        id
    }

    /// What a node is, aliases followed.
    pub(super) fn kind(&self, id: NodeId) -> &Kind<'a> {
        self.raw(self.target(id))
    }

    pub(super) fn position(&self, id: NodeId) -> Position {
        self.nodes.get(id.0 as usize).map_or(Position { line: 1, column: 1 }, |node| node.position)
    }

    /// The entries of a map; nothing for anything else.
    pub(super) fn entries(&self, id: NodeId) -> &[Entry<'a>] {
        match self.kind(id) {
            Kind::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The entry of a map with this key.
    pub(super) fn entry(&self, id: NodeId, key: &str) -> Option<&Entry<'a>> {
        let id = self.target(id);
        let entries = self.entries(id);
        match self.indexes.get(&id) {
            Some(index) => entries.get(*index.get(key)? as usize),
            None => entries.iter().find(|entry| entry.key == key),
        }
    }

    /// The value of a map under this key.
    pub(super) fn get(&self, id: NodeId, key: &str) -> Option<NodeId> {
        self.entry(id, key).map(|entry| entry.value)
    }

    /// The text of a string.
    pub(super) fn text(&self, id: NodeId) -> Option<&str> {
        match self.kind(id) {
            Kind::String(text) => Some(text),
            _ => None,
        }
    }

    /// The text of a string, or of a scalar that YAML took for a number (`version: 1.0`).
    pub(super) fn loose_text(&self, id: NodeId) -> Option<&str> {
        match self.kind(id) {
            Kind::String(text) | Kind::Number(text) => Some(text),
            _ => None,
        }
    }

    /// What a kind is called in a message.
    pub(super) fn name(&self, id: NodeId) -> &'static str {
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

/// A foreign text as it may stand in a message: quoted, and cut at 80 characters.
pub(super) fn quote(text: &str) -> String {
    let mut quoted: String = text.chars().take(80).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if quoted.len() < text.len() && text.chars().nth(80).is_some() {
        quoted.push('…');
    }
    format!("`{quoted}`")
}
