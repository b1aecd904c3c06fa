//! The documents of an upload that are read together, and `$ref` among them: resolved within the upload, and never fetched. What points outside or at
//! nothing is a warning; a circle of references that never arrives anywhere is a refusal, because no reader can give it a meaning.

use std::borrow::Cow;

use foldhash::HashMap;
use percent_encoding::percent_decode_str;
use shared::surface::Decimal;

use crate::readers::tree::{self, Entry, Kind, NodeId, Position, Syntax, Tree};
use crate::readers::{Files, Refused, Warnings, cut, quote};

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
/// Bytes of a reference: what is longer points at nothing, and is not looked at again and again.
const REFERENCE_MAX: usize = 4_000;
/// Characters of a key in a pointer that is shown.
const TOKEN_MAX: usize = 200;
/// References that a pointer may lead through.
const POINTER_HOPS_MAX: u32 = 8;

/// A node of one of the documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct At {
    doc: u32,
    node: NodeId,
}

impl At {
    /// The node of an entry of this map.
    pub(super) fn value(self, entry: Entry<'_>) -> Self {
        Self { node: entry.value, ..self }
    }

    /// The number of its file.
    pub(super) fn doc(self) -> u32 {
        self.doc
    }
}

/// Where a reference leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Found(At),
    /// It points into the upload, at nothing.
    Dangling,
    /// It points out of the upload.
    Outside,
}

struct Document<'a> {
    path: &'a str,
    tree: Tree<'a>,
    root: NodeId,
    /// What each node stands in, to say where one is.
    parents: Vec<NodeId>,
}

/// What references are relative to: a file, or a schema with an `$id`.
struct Resource {
    uri: String,
    root: At,
}

/// A map with a `$ref`.
struct Reference {
    holder: At,
    value: NodeId,
    resource: usize,
}

/// The documents of an upload that its root leads to.
pub(super) struct Documents<'a> {
    files: &'a Files,
    read: Vec<Document<'a>>,
    resources: Vec<Resource>,
    by_uri: HashMap<String, usize>,
    anchors: HashMap<(usize, String), At>,
    references: Vec<Reference>,
    targets: HashMap<At, Target>,
}

impl<'a> Documents<'a> {
    /// Reads the root, and every file that it leads to.
    pub(super) fn load(files: &'a Files, root: &'a str) -> Result<Self, Refused> {
        let mut documents = Self {
            files,
            read: Vec::new(),
            resources: Vec::new(),
            by_uri: HashMap::default(),
            anchors: HashMap::default(),
            references: Vec::new(),
            targets: HashMap::default(),
        };
        documents.open(root)?;
        let (mut seen, mut is_absolute) = (0, false);
        while let Some(reference) = documents.references.get(seen) {
            seen += 1;
            if let Some(uri) = documents.uri(reference)
                && !documents.by_uri.contains_key(&uri)
            {
                if let Some((path, _)) = files.files.get_key_value(&uri) {
                    documents.open(path)?;
                } else {
                    is_absolute |= has_scheme(&uri);
                }
            }
        }
        if is_absolute {
            // Another file may call itself by that address.
            for path in files.paths().filter(|path| Syntax::is_named(path)) {
                if !documents.by_uri.contains_key(path) {
                    documents.open(path)?;
                }
            }
        }
        documents.targets = documents.resolved();
        Ok(documents)
    }

    fn open(&mut self, path: &'a str) -> Result<(), Refused> {
        let in_file = |mut refused: Refused| {
            refused.file = Some(path.to_owned());
            refused
        };
        let text = self.files.text(path)?;
        let (tree, root) = tree::read(text, Syntax::of(path, text)).map_err(in_file)?;
        let doc = u32::try_from(self.read.len()).unwrap_or(u32::MAX);
        let resource = self.resource(path.to_owned(), At { doc, node: root });
        let mut walk = Walk { doc, parents: vec![root; tree.len()], documents: self };
        walk.visit(&tree, root, false, resource);
        let parents = walk.parents;
        self.read.push(Document { path, tree, root, parents });
        Ok(())
    }

    fn resource(&mut self, uri: String, root: At) -> usize {
        let place = self.resources.len();
        self.by_uri.entry(uri.clone()).or_insert(place);
        self.resources.push(Resource { uri, root });
        place
    }

    fn document(&self, doc: u32) -> Option<&Document<'a>> {
        self.read.get(doc as usize)
    }

    /// What a reference is relative to, made whole: a path in the upload or an address; nothing where it stays in its own resource, or leaves the upload.
    fn uri(&self, reference: &Reference) -> Option<String> {
        let text = self.document(reference.holder.doc)?.tree.text(reference.value)?;
        let (address, _) = text.split_once('#').unwrap_or((text, ""));
        if address.is_empty() || text.len() > REFERENCE_MAX {
            return None;
        }
        join(&self.resources.get(reference.resource)?.uri, address)
    }

    /// Where each reference leads. Most say what another one said before.
    fn resolved(&self) -> HashMap<At, Target> {
        let mut known = HashMap::default();
        let text = |reference: &Reference| self.document(reference.holder.doc)?.tree.text(reference.value);
        let target = |reference: &Reference| {
            let target =
                known.entry((reference.resource, text(reference))).or_insert_with(|| self.resolve(reference, 0));
            (reference.holder, *target)
        };
        self.references.iter().map(target).collect()
    }

    fn resolve(&self, reference: &Reference, hops: u32) -> Target {
        let Some(text) = self.document(reference.holder.doc).and_then(|document| document.tree.text(reference.value))
        else {
            return Target::Dangling;
        };
        if text.len() > REFERENCE_MAX {
            return Target::Dangling;
        }
        let (address, fragment) = text.split_once('#').unwrap_or((text, ""));
        let resource = if address.is_empty() {
            Some(reference.resource)
        } else {
            let Some(uri) = self.uri(reference) else { return Target::Outside };
            let decoded = || percent_decode_str(&uri).decode_utf8_lossy().into_owned();
            self.by_uri.get(&uri).or_else(|| self.by_uri.get(&decoded())).copied()
        };
        let Some(resource) = resource else { return Target::Outside };
        let Some(root) = self.resources.get(resource).map(|resource| resource.root) else { return Target::Dangling };
        let fragment = percent_decode_str(fragment).decode_utf8_lossy();
        let found = match fragment.strip_prefix('/') {
            Some(pointer) => self.follow(root, pointer, hops),
            None if fragment.is_empty() => Some(root),
            None => self.anchors.get(&(resource, fragment.into_owned())).copied(),
        };
        found.map_or(Target::Dangling, |at| Target::Found(self.canonical(at)))
    }

    fn follow(&self, root: At, pointer: &str, hops: u32) -> Option<At> {
        let mut at = root;
        for token in pointer.split('/') {
            let token = if token.contains('~') {
                Cow::Owned(token.replace("~1", "/").replace("~0", "~"))
            } else {
                Cow::Borrowed(token)
            };
            at = match self.step(at, &token) {
                Some(next) => next,
                // Through a reference, as the tools of OpenAPI do.
                None if hops < POINTER_HOPS_MAX => {
                    let value = self.get(at, "$ref")?.node;
                    match self.resolve(&Reference { holder: at, value, resource: self.resource_of(at) }, hops + 1) {
                        Target::Found(through) => self.step(through, &token)?,
                        _ => return None,
                    }
                }
                None => return None,
            };
        }
        Some(at)
    }

    fn step(&self, at: At, token: &str) -> Option<At> {
        let tree = &self.document(at.doc)?.tree;
        match tree.kind(at.node) {
            Kind::List(items) => Some(At { node: *items.get(token.parse::<usize>().ok()?)?, ..at }),
            Kind::Map(_) => self.get(at, token),
            _ => None,
        }
    }

    /// The resource of a reference that was not noted (it stands in data): that of its file.
    fn resource_of(&self, at: At) -> usize {
        self.document(at.doc).and_then(|document| self.by_uri.get(document.path)).copied().unwrap_or_default()
    }

    /// Where a map with a `$ref` leads, and the reference's text; nothing for anything else.
    pub(super) fn reference(&self, at: At) -> Option<(&str, Target)> {
        let at = self.canonical(at);
        let value = self.get(at, "$ref").or_else(|| self.get(at, "$dynamicRef"))?;
        let text = self.text(value)?;
        let target = self.targets.get(&at).copied().unwrap_or_else(|| {
            self.resolve(&Reference { holder: at, value: value.node, resource: self.resource_of(at) }, 0)
        });
        Some((text, target))
    }

    /// Warns of every reference that leads nowhere, and refuses circles.
    pub(super) fn check(&self, warnings: &mut Warnings) -> Result<(), Refused> {
        for reference in &self.references {
            let Some(text) = self.text(At { node: reference.value, ..reference.holder }) else { continue };
            let (code, message) = match self.targets.get(&reference.holder) {
                Some(Target::Dangling) => ("dangling-ref", "points at nothing in this document."),
                Some(Target::Outside) => (
                    "remote-ref",
                    "points out of what was sent. It is not fetched: bundle the document, or send the files together.",
                ),
                _ => continue,
            };
            let pointer = if warnings.is_full() { String::new() } else { self.pointer(reference.holder) };
            let line = self.position(At { node: reference.value, ..reference.holder }).line;
            warnings.push(
                code,
                format!("The reference {} {message}", quote(text)),
                self.file(reference.holder),
                line,
                &pointer,
            );
        }
        // Each reference leads to one place, so a walk that meets itself is a circle; what was walked once is known to end.
        let mut walk_of: HashMap<At, usize> = HashMap::default();
        for (walk, reference) in self.references.iter().enumerate() {
            let mut at = reference.holder;
            while let Some(Target::Found(target)) = self.targets.get(&at) {
                match walk_of.insert(at, walk) {
                    Some(before) if before == walk => {
                        let value = At { node: reference.value, ..reference.holder };
                        let text = self.text(value).unwrap_or_default();
                        let message =
                            format!("The reference {} leads back to itself through references only.", quote(text));
                        return Err(self.refused("ref-loop", message, value).pointing(&self.pointer(reference.holder)));
                    }
                    Some(_) => break,
                    None => at = *target,
                }
            }
        }
        Ok(())
    }

    /// A refusal that names a node's place.
    pub(super) fn refused(&self, code: &'static str, message: String, at: At) -> Refused {
        let position = self.position(at);
        Refused::new(code, message).at(self.path(at), position.line, position.column)
    }

    /// The root of the upload.
    pub(super) fn root(&self) -> At {
        At { doc: 0, node: self.read.first().map_or_else(NodeId::default, |document| document.root) }
    }

    /// The node that this one stands for: an alias' target, or itself.
    pub(super) fn canonical(&self, at: At) -> At {
        self.document(at.doc).map_or(at, |document| At { node: document.tree.target(at.node), ..at })
    }

    /// Whether it stands for another one.
    pub(super) fn is_alias(&self, at: At) -> bool {
        self.canonical(at) != at
    }

    /// What a node is, aliases followed.
    pub(super) fn kind(&self, at: At) -> Kind<'_> {
        self.document(at.doc).map_or(Kind::Null, |document| document.tree.kind(at.node))
    }

    /// The entries of a map; nothing for anything else.
    pub(super) fn entries(&self, at: At) -> impl Iterator<Item = Entry<'_>> {
        self.document(at.doc).map(|document| document.tree.entries(at.node)).unwrap_or_default().iter()
    }

    /// The items of a list; nothing for anything else.
    pub(super) fn items(&self, at: At) -> impl Iterator<Item = At> {
        let items = match self.kind(at) {
            Kind::List(items) => items,
            _ => &[],
        };
        items.iter().map(move |node| At { node: *node, ..at })
    }

    /// The entry of a map under a key.
    pub(super) fn entry(&self, at: At, key: &str) -> Option<Entry<'_>> {
        self.document(at.doc)?.tree.entry(at.node, key)
    }

    /// The value of a map under a key.
    pub(super) fn get(&self, at: At, key: &str) -> Option<At> {
        self.document(at.doc)?.tree.get(at.node, key).map(|node| At { node, ..at })
    }

    /// The text of a string.
    pub(super) fn text(&self, at: At) -> Option<&str> {
        self.document(at.doc)?.tree.text(at.node)
    }

    /// The text of a string, or of a scalar that YAML took for a number (`version: 1.0`).
    pub(super) fn loose_text(&self, at: At) -> Option<&str> {
        self.document(at.doc)?.tree.loose_text(at.node)
    }

    /// A text under a key; empty where there is none.
    pub(super) fn text_of(&self, at: At, key: &str) -> &str {
        self.get(at, key).and_then(|value| self.loose_text(value)).unwrap_or_default()
    }

    /// Whether there is `true` under a key.
    pub(super) fn is_true(&self, at: At, key: &str) -> bool {
        self.get(at, key).is_some_and(|value| matches!(self.kind(value), Kind::Bool(true)))
    }

    /// A number.
    pub(super) fn number(&self, at: At) -> Option<Decimal> {
        match self.kind(at) {
            Kind::Number(text) => Decimal::parse(text),
            _ => None,
        }
    }

    /// What a kind is called in a message.
    pub(super) fn name(&self, at: At) -> &'static str {
        self.document(at.doc).map_or("null", |document| document.tree.name(at.node))
    }

    /// Whether it is a map.
    pub(super) fn is_map(&self, at: At) -> bool {
        matches!(self.kind(at), Kind::Map(_))
    }

    /// Where a node begins.
    pub(super) fn position(&self, at: At) -> Position {
        self.document(at.doc).map_or(Position { line: 1, column: 1 }, |document| document.tree.position(at.node))
    }

    /// The path of a node's file.
    pub(super) fn path(&self, at: At) -> &'a str {
        self.document(at.doc).map_or("", |document| document.path)
    }

    /// The paths of the files that are read, the root first.
    pub(super) fn paths(&self) -> impl Iterator<Item = &'a str> {
        self.read.iter().map(|document| document.path)
    }

    /// The path of a node's file where there are several; empty where the upload is one document.
    pub(super) fn file(&self, at: At) -> &'a str {
        if self.files.len() > 1 { self.path(at) } else { "" }
    }

    /// A node's place as a JSON pointer.
    pub(super) fn pointer(&self, at: At) -> String {
        let Some(document) = self.document(at.doc) else { return String::new() };
        let mut tokens = Vec::new();
        let mut node = at.node;
        // What stands where no walk came (data) is said to be at the root.
        while node != document.root {
            let parent = document.parents.get(node.index()).copied().unwrap_or(document.root);
            tokens.extend(match document.tree.raw(parent) {
                Kind::Map(entries) => entries.of(node).map(|entry| escape(cut(entry.key, TOKEN_MAX))),
                Kind::List(items) => items.binary_search(&node).ok().map(|place| Cow::Owned(place.to_string())),
                _ => None,
            });
            node = parent;
        }
        let mut pointer = String::with_capacity(tokens.iter().map(|token| token.len() + 1).sum());
        for token in tokens.iter().rev() {
            pointer.push('/');
            pointer.push_str(token);
        }
        pointer
    }
}

/// A walk over one document that notes its references, anchors and resources. Depth is bounded by the reader; an alias is not followed, what it names is
/// walked where it stands.
struct Walk<'d, 'a> {
    doc: u32,
    parents: Vec<NodeId>,
    documents: &'d mut Documents<'a>,
}

impl Walk<'_, '_> {
    fn visit(&mut self, tree: &Tree<'_>, id: NodeId, names: bool, resource: usize) {
        match tree.raw(id) {
            Kind::List(items) => {
                for item in items {
                    self.stands_in(*item, id);
                    self.visit(tree, *item, false, resource);
                }
            }
            Kind::Map(entries) => {
                let resource = if names { resource } else { self.identified(tree, id, resource) };
                for entry in entries.iter() {
                    self.stands_in(entry.value, id);
                    if names {
                        self.visit(tree, entry.value, false, resource);
                        continue;
                    }
                    if entry.key.starts_with("x-") || DATA.contains(&entry.key) {
                        continue;
                    }
                    if let Some(text) = tree.text(entry.value) {
                        self.note(entry.key, text, id, entry.value, resource);
                        continue;
                    }
                    // `parameters` is a list of objects at an operation and a map of names in the components; a list is walked as one either way.
                    let of_names = NAMED.contains(&entry.key) || entry.key == "parameters";
                    self.visit(tree, entry.value, of_names, resource);
                }
            }
            _ => {}
        }
    }

    /// The resource that a map is in: a new one where it has an `$id`.
    fn identified(&mut self, tree: &Tree<'_>, id: NodeId, resource: usize) -> usize {
        let Some(text) = tree.get(id, "$id").and_then(|id| tree.text(id)) else { return resource };
        let address = text.split_once('#').map_or(text, |(address, _)| address);
        let base = self.documents.resources.get(resource).map_or("", |resource| &resource.uri);
        match join(base, address) {
            Some(uri) if !address.is_empty() && text.len() <= REFERENCE_MAX => {
                self.documents.resource(uri, At { doc: self.doc, node: id })
            }
            _ => resource,
        }
    }

    fn note(&mut self, key: &str, text: &str, holder: NodeId, value: NodeId, resource: usize) {
        let holder = At { doc: self.doc, node: holder };
        match key {
            "$ref" | "$dynamicRef" => self.documents.references.push(Reference { holder, value, resource }),
            "$anchor" | "$dynamicAnchor" if text.len() <= REFERENCE_MAX => {
                self.documents.anchors.entry((resource, text.to_owned())).or_insert(holder);
            }
            _ => {}
        }
    }

    fn stands_in(&mut self, child: NodeId, parent: NodeId) {
        if let Some(place) = self.parents.get_mut(child.index()) {
            *place = parent;
        }
    }
}

fn has_scheme(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    })
}

/// A reference made whole by what it is relative to (RFC 3986, 5.2, as far as files and plain addresses need it); nothing where it leaves the upload.
fn join(base: &str, reference: &str) -> Option<String> {
    if has_scheme(reference) || reference.starts_with("//") {
        return Some(reference.to_owned());
    }
    let (start, path) = if has_scheme(base) {
        let authority = base.find("://").map_or(base.len(), |at| at + 3);
        let end = base.get(authority..)?.find('/').map_or(base.len(), |at| authority + at);
        base.split_at_checked(end)?
    } else {
        ("", base)
    };
    let mut parts: Vec<&str> = match reference.strip_prefix('/') {
        Some(_) => Vec::new(),
        None => {
            path.rsplit_once('/').map_or("", |(folder, _)| folder).split('/').filter(|part| !part.is_empty()).collect()
        }
    };
    for part in reference.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    let separator = if start.is_empty() { "" } else { "/" };
    Some(format!("{start}{separator}{}", parts.join("/")))
}

/// A key as one token of a JSON pointer (RFC 6901).
pub(super) fn escape(key: &str) -> Cow<'_, str> {
    if key.bytes().any(|byte| matches!(byte, b'~' | b'/')) {
        Cow::Owned(key.replace('~', "~0").replace('/', "~1"))
    } else {
        Cow::Borrowed(key)
    }
}
