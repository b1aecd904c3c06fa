//! `$ref`: resolved inside the document, and never fetched. What points outside or at nothing is a warning; a circle of references
//! that never arrives anywhere is a refusal, because no reader can give it a meaning.

use std::borrow::Cow;
use std::collections::HashMap;

use percent_encoding::percent_decode_str;

use super::tree::{Kind, NodeId, Tree, quote};
use super::{ReadError, Warnings};

/// Keys whose value is a map from names that the author chose to objects of the format.
const NAMED: [&str; 17] = [
    "$defs",
    "callbacks",
    "content",
    "definitions",
    "dependentSchemas",
    "encoding",
    "examples",
    "headers",
    "links",
    "pathItems",
    "paths",
    "patternProperties",
    "properties",
    "requestBodies",
    "responses",
    "schemas",
    "webhooks",
];
/// Keys whose value is the author's data, in which `$ref` means nothing.
const DATA: [&str; 6] = ["const", "default", "enum", "example", "mapping", "value"];

/// Where a reference leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Found(NodeId),
    /// It points into the document, at nothing.
    Dangling,
    /// It points out of the document.
    Outside,
}

/// Resolves references, remembering what it found.
pub(super) struct Refs<'t, 'a> {
    tree: &'t Tree<'a>,
    root: NodeId,
    anchors: HashMap<&'t str, NodeId>,
    known: HashMap<&'t str, Target>,
    /// Every node that is a reference, in the order of the document: the map, the value in it, and its text.
    found: Vec<(NodeId, NodeId, &'t str)>,
    /// What each node stands in, to say where one is.
    parents: Vec<NodeId>,
}

/// Bytes of a reference: what is longer points at nothing, and is not looked at again and again.
const REFERENCE_MAX: usize = 4_000;

impl<'t, 'a> Refs<'t, 'a> {
    /// Walks the document once and notes its references and anchors.
    pub(super) fn collect(tree: &'t Tree<'a>, root: NodeId) -> Self {
        let mut refs = Self {
            tree,
            root,
            anchors: HashMap::new(),
            known: HashMap::new(),
            found: Vec::new(),
            parents: vec![root; tree.len()],
        };
        refs.walk(root, false);
        refs
    }

    /// Depth is bounded by the reader; an alias is not followed, what it names is walked where it stands.
    fn walk(&mut self, id: NodeId, names: bool) {
        let tree = self.tree;
        match tree.raw(id) {
            Kind::List(items) => {
                for item in items {
                    self.stands_in(*item, id);
                    self.walk(*item, false);
                }
            }
            Kind::Map(entries) => {
                for entry in entries {
                    if !names {
                        if (entry.key.starts_with("x-")) || DATA.contains(&&*entry.key) {
                            continue;
                        }
                        if let Some(text) = tree.text(entry.value) {
                            match &*entry.key {
                                "$ref" => self.found.push((id, entry.value, text)),
                                "$anchor" | "$dynamicAnchor" if text.len() <= REFERENCE_MAX => {
                                    self.anchors.entry(text).or_insert(id);
                                }
                                _ => {}
                            }
                            continue;
                        }
                    }
                    // `parameters` is a list of objects at an operation and a map of names in the components; a list is walked as one either way.
                    let of_names = !names && (NAMED.contains(&&*entry.key) || entry.key == "parameters");
                    self.stands_in(entry.value, id);
                    self.walk(entry.value, of_names);
                }
            }
            _ => {}
        }
    }

    fn stands_in(&mut self, child: NodeId, parent: NodeId) {
        if let Some(place) = self.parents.get_mut(child.index()) {
            *place = parent;
        }
    }

    /// A node's place as a JSON pointer.
    fn pointer(&self, id: NodeId) -> String {
        let mut tokens = Vec::new();
        let mut at = id;
        while at != self.root {
            let parent = self.parents.get(at.index()).copied().unwrap_or(self.root);
            tokens.push(match self.tree.raw(parent) {
                Kind::Map(entries) => entries
                    .iter()
                    .find(|entry| entry.value == at)
                    .map(|entry| escape(&entry.key.chars().take(200).collect::<String>()).into_owned()),
                Kind::List(items) => items.iter().position(|item| *item == at).map(|place| place.to_string()),
                _ => None,
            });
            at = parent;
        }
        tokens.into_iter().rev().flatten().fold(String::new(), |pointer, token| pointer + "/" + &token)
    }

    /// Where a reference leads.
    pub(super) fn resolve(&mut self, reference: &'t str) -> Target {
        if reference.len() > REFERENCE_MAX {
            return Target::Dangling;
        }
        if let Some(known) = self.known.get(reference) {
            return *known;
        }
        let target = match reference.strip_prefix('#') {
            None => Target::Outside,
            Some(fragment) => {
                let fragment = percent_decode_str(fragment).decode_utf8_lossy();
                match fragment.strip_prefix('/') {
                    Some(pointer) => self.follow(pointer).map_or(Target::Dangling, Target::Found),
                    None if fragment.is_empty() => Target::Found(self.root),
                    None => self.anchors.get(&*fragment).map_or(Target::Dangling, |id| Target::Found(*id)),
                }
            }
        };
        self.known.insert(reference, target);
        target
    }

    fn follow(&self, pointer: &str) -> Option<NodeId> {
        let mut id = self.root;
        for token in pointer.split('/') {
            let token = if token.contains('~') {
                Cow::Owned(token.replace("~1", "/").replace("~0", "~"))
            } else {
                Cow::Borrowed(token)
            };
            id = match self.tree.kind(id) {
                Kind::List(items) => *items.get(token.parse::<usize>().ok()?)?,
                Kind::Map(_) => self.tree.get(id, &token)?,
                _ => return None,
            };
        }
        Some(self.tree.target(id))
    }

    /// Warns of every reference that leads nowhere, and refuses circles.
    pub(super) fn check(&mut self, warnings: &mut Warnings) -> Result<(), ReadError> {
        let found = std::mem::take(&mut self.found);
        let mut next: HashMap<NodeId, NodeId> = HashMap::new();
        for (holder, value, reference) in &found {
            let line = self.tree.position(*value).line;
            let pointer = |refs: &Self| if warnings.is_full() { String::new() } else { refs.pointer(*holder) };
            match self.resolve(reference) {
                Target::Found(target) => {
                    next.insert(*holder, target);
                }
                Target::Dangling => warnings.push(
                    "dangling-ref",
                    format!("The reference {} points at nothing in this document.", quote(reference)),
                    line,
                    &pointer(self),
                ),
                Target::Outside => warnings.push(
                    "remote-ref",
                    format!(
                        "The reference {} points out of this document. It is not fetched: bundle the document first.",
                        quote(reference)
                    ),
                    line,
                    &pointer(self),
                ),
            }
        }
        // Each reference leads to one place, so a walk that meets itself is a circle; what was walked once is known to end.
        let mut walk_of: HashMap<NodeId, usize> = HashMap::new();
        for (walk, (start, value, reference)) in found.iter().enumerate() {
            let mut at = *start;
            while let Some(target) = next.get(&at) {
                match walk_of.insert(at, walk) {
                    Some(before) if before == walk => {
                        return Err(ReadError::new(
                            "ref-loop",
                            format!("The reference {} leads back to itself through references only.", quote(reference)),
                        )
                        .at(self.tree.position(*value))
                        .pointing(&self.pointer(*start)));
                    }
                    Some(_) => break,
                    None => at = *target,
                }
            }
        }
        Ok(())
    }
}

/// A key as one token of a JSON pointer (RFC 6901).
pub(super) fn escape(key: &str) -> Cow<'_, str> {
    if key.contains(['~', '/']) { Cow::Owned(key.replace('~', "~0").replace('/', "~1")) } else { Cow::Borrowed(key) }
}
