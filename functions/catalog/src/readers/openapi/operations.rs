//! The operations of a document: what stands under `paths` and `webhooks`, one per method, and the callbacks inside of them.

use foldhash::{HashMap, HashSet};
use shared::surface::{ElementId, Json, Operation, OperationKind};

use super::documents::{At, Target};
use super::{Reader, Spot, Version, escape};
use crate::readers::tree::Position;
use crate::readers::{OPERATIONS_MAX, Refused, quote};

/// The methods of a path item. `query` is of 3.2; `trace` came with 3.0, and nobody is hurt who has it in 2.0.
const METHODS: [&str; 9] = ["get", "put", "post", "delete", "options", "head", "patch", "trace", "query"];
/// Bytes of an `operationId` that are kept as an id; one that is longer gets a derived id.
const ID_MAX: usize = 200;
/// Characters of a path.
const PATH_MAX: usize = 1_000;
/// References in a row that are followed.
pub(super) const HOPS_MAX: usize = 16;
/// Callbacks within callbacks.
const CALLBACKS_MAX: u32 = 3;

/// A path item on the way to its operations.
pub(super) struct Item {
    pub(super) node: At,
    spot: Spot,
    position: Position,
}

/// What an operation is called with, but for its method.
#[derive(Clone)]
enum Place {
    Path(String),
    Webhook(String),
    Callback { of: String, name: String, expression: String },
}

impl Place {
    fn derived(&self, method: &str) -> String {
        match self {
            Self::Path(path) => format!("{method} {path}"),
            Self::Webhook(name) => format!("webhook {method} {name}"),
            Self::Callback { of, name, expression } => format!("{of} callback {name} {method} {expression}"),
        }
    }
}

/// An operation that was found, before its id is settled.
struct Found {
    place: Place,
    method: String,
    node: At,
    /// The path items that it stands in, the nearest first: their parameters and servers hold for it.
    items: Vec<At>,
    element: ElementId,
    line: u32,
}

impl<'d> Reader<'d, '_> {
    /// Reads the operations in the order of the document.
    pub(super) fn operations(&mut self) -> Result<(), Refused> {
        let docs = self.docs;
        let root = docs.root();
        self.schemes()?;
        let mut found = Vec::new();
        if let Some(paths) = docs.entry(root, "paths") {
            let node = root.value(paths);
            if !docs.is_map(node) {
                let message = format!("`paths` must be a map, not {}.", docs.name(node));
                let refused =
                    Refused::new("paths", message).at(docs.path(root), paths.position.line, paths.position.column);
                return Err(refused.pointing("/paths"));
            }
            self.paths(node, &mut found)?;
        }
        if self.version == Version::V31
            && let Some(webhooks) = docs.get(root, "webhooks")
        {
            for entry in docs.entries(webhooks) {
                let item = Item {
                    node: webhooks.value(entry),
                    spot: Spot { parent: ElementId::NONE, step: format!("/webhooks/{}", escape(entry.key)) },
                    position: entry.position,
                };
                self.item(item, &Place::Webhook(entry.key.chars().take(PATH_MAX).collect()), &mut found)?;
            }
        }
        let mut ids = self.taken(&found);
        self.read_all(found, &mut ids, 0)
    }

    fn read_all(&mut self, found: Vec<Found>, ids: &mut HashMap<String, u32>, depth: u32) -> Result<(), Refused> {
        for operation in found {
            let id = self.id(&operation, ids);
            let node = operation.node;
            self.operation(operation, &id)?;
            self.settle()?;
            let Some(callbacks) = self.docs.get(node, "callbacks") else { continue };
            let inside = self.callbacks(callbacks, &id, depth)?;
            self.read_all(inside, ids, depth + 1)?;
        }
        Ok(())
    }

    fn paths(&mut self, paths: At, found: &mut Vec<Found>) -> Result<(), Refused> {
        let docs = self.docs;
        let mut templates: HashMap<String, &str> = HashMap::default();
        for entry in docs.entries(paths) {
            let path: &str = entry.key.trim();
            if path.starts_with("x-") {
                continue;
            }
            if entry.key.chars().count() > PATH_MAX {
                let message = format!("The path {} is longer than {PATH_MAX} characters.", quote(path));
                let refused = Refused::new("path-too-long", message);
                return Err(refused.at(docs.path(paths), entry.position.line, entry.position.column));
            }
            let pointer = format!("/paths/{}", escape(entry.key));
            let line = entry.position.line;
            let file = docs.file(paths);
            let mut warn = |code: &str, message: String| self.warnings.push(code, message, file, line, &pointer);
            if !path.starts_with('/') {
                warn("path", format!("The path {} does not begin with `/`; its operations are left out.", quote(path)));
                continue;
            }
            if path.chars().any(char::is_control) {
                warn(
                    "path",
                    format!("The path {} holds control characters; its operations are left out.", quote(path)),
                );
                continue;
            }
            if path.len() < entry.key.len() {
                warn("path", format!("The path {} has space around it, which is left out.", quote(path)));
            }
            match template(path) {
                None => warn("path", format!("The braces of the path {} do not match.", quote(path))),
                Some(template) => {
                    if let Some(first) = templates.insert(template, path) {
                        let message =
                            format!("The paths {} and {} match the same requests.", quote(first), quote(path));
                        warn("ambiguous-path", message);
                    }
                }
            }
            let item = Item {
                node: paths.value(entry),
                spot: Spot { parent: ElementId::NONE, step: pointer },
                position: entry.position,
            };
            self.item(item, &Place::Path(path.to_owned()), found)?;
        }
        Ok(())
    }

    /// Notes the operations of a path item, and of the one that it refers to. `Documents::check` has refused circles before.
    fn item(&mut self, item: Item, place: &Place, found: &mut Vec<Found>) -> Result<(), Refused> {
        let docs = self.docs;
        let shown = match place {
            Place::Path(path) => quote(path),
            Place::Webhook(name) => quote(name),
            Place::Callback { expression, .. } => quote(expression),
        };
        let Item { node, mut spot, position } = item;
        let (line, file) = (position.line, docs.file(node));
        let pointer = spot.step.clone();
        let mut node = docs.canonical(node);
        let mut items = Vec::new();
        let mut methods: HashSet<String> = HashSet::default();
        for _ in 0..HOPS_MAX {
            if !docs.is_map(node) {
                if docs.name(node) == "null" {
                    let message = format!("The path {shown} has no operations.");
                    self.warnings.push("empty-path", message, file, line, &pointer);
                    return Ok(());
                }
                let message = format!("The path {shown} must be a map of operations, not {}.", docs.name(node));
                return Err(docs.refused("path-item", message, node).pointing(&pointer));
            }
            items.push(node);
            for (method, key_position, operation, step) in self.methods(node) {
                if !methods.insert(method.clone()) {
                    continue;
                }
                let operation = docs.canonical(operation);
                let spot = spot.then(&step);
                let refused = |code, message| {
                    Refused::new(code, message).at(docs.path(node), key_position.line, key_position.column)
                };
                if !docs.is_map(operation) {
                    let message = format!("The operation must be a map, not {}.", docs.name(operation));
                    return Err(refused("operation", message).pointing(&spot.step));
                }
                if self.builder.surface().operations.len() + found.len() >= OPERATIONS_MAX {
                    let message = format!(
                        "The document has more than {OPERATIONS_MAX} operations, which is the most that is read."
                    );
                    return Err(refused("too-many-operations", message));
                }
                let element = self.element(node, Some(key_position), &spot)?;
                let line = key_position.line;
                found.push(Found {
                    place: place.clone(),
                    method,
                    node: operation,
                    items: items.clone(),
                    element,
                    line,
                });
            }
            // What leads nowhere has its warning already.
            match docs.reference(node) {
                Some((_, Target::Found(target))) => node = target,
                _ => return Ok(()),
            }
            spot = Spot { parent: ElementId::NONE, step: docs.pointer(node) };
        }
        let message = format!("The path {shown} leads through more than {HOPS_MAX} references; the rest is left out.");
        self.warnings.push("ref-chain", message, file, line, &pointer);
        Ok(())
    }

    /// The methods of a path item in the order of the document. By name, not entry by entry: many paths may refer to one long item.
    fn methods(&self, item: At) -> Vec<(String, Position, At, String)> {
        let docs = self.docs;
        let named = METHODS.iter().filter_map(|method| {
            let entry = docs.entry(item, method)?;
            Some((method.to_ascii_uppercase(), entry.position, item.value(entry), format!("/{method}")))
        });
        let mut methods: Vec<_> = named.collect();
        if self.version == Version::V31
            && let Some(more) = docs.get(item, "additionalOperations")
        {
            methods.extend(docs.entries(more).map(|entry| {
                let step = format!("/additionalOperations/{}", escape(entry.key));
                (entry.key.chars().take(40).collect(), entry.position, more.value(entry), step)
            }));
        }
        methods.sort_by_key(|(_, position, ..)| (position.line, position.column));
        methods
    }

    fn callbacks(&mut self, callbacks: At, of: &str, depth: u32) -> Result<Vec<Found>, Refused> {
        let docs = self.docs;
        let mut found = Vec::new();
        for named in docs.entries(callbacks) {
            let Some(callback) = self.followed(callbacks.value(named)) else { continue };
            if depth >= CALLBACKS_MAX {
                let message =
                    format!("Callbacks stand in callbacks more than {CALLBACKS_MAX} deep; the rest is left out.");
                self.warn("callback-depth", message, callback);
                return Ok(found);
            }
            for entry in docs.entries(callback).filter(|entry| !entry.key.starts_with("x-") && entry.key != "$ref") {
                let node = callback.value(entry);
                let step = format!("{}/{}", docs.pointer(callback), escape(entry.key));
                let item = Item { node, spot: Spot { parent: ElementId::NONE, step }, position: entry.position };
                let place = Place::Callback {
                    of: of.to_owned(),
                    name: named.key.chars().take(ID_MAX).collect(),
                    expression: entry.key.chars().take(PATH_MAX).collect(),
                };
                self.item(item, &place, &mut found)?;
            }
        }
        Ok(found)
    }

    /// How often each id is used. A derived id is taken by its operation: no other may call itself so.
    fn taken(&self, found: &[Found]) -> HashMap<String, u32> {
        let mut uses: HashMap<String, u32> = HashMap::default();
        for operation in found {
            if let Own::Named(id) = self.own(operation.node) {
                *uses.entry(id.to_owned()).or_default() += 1;
            }
            *uses.entry(operation.place.derived(&operation.method)).or_default() += 1;
        }
        uses
    }

    /// An operation's id: its own where it is the only one with it, else `METHOD /path`, which is unique in a document.
    fn id(&mut self, operation: &Found, uses: &mut HashMap<String, u32>) -> String {
        let derived = operation.place.derived(&operation.method);
        let is_inside = matches!(operation.place, Place::Callback { .. });
        let (code, message, id) = match self.own(operation.node) {
            Own::Missing => return derived,
            Own::Named(id) if id == derived => return derived,
            // A callback that two operations share is one operation in each: only the first keeps the name.
            Own::Named(id) if is_inside => {
                let id = id.to_owned();
                let uses = uses.entry(id.clone()).or_default();
                *uses += 1;
                return if *uses > 1 { derived } else { id };
            }
            Own::Unusable(id) => (
                "operation-id",
                format!(
                    "The operationId {} is longer than {ID_MAX} bytes or holds control characters; {} is used.",
                    quote(id),
                    quote(&derived)
                ),
                derived,
            ),
            Own::Named(id) if uses.get(id).is_some_and(|uses| *uses > 1) => (
                "duplicate-operation-id",
                format!("The operationId {} is used more than once; {} is used.", quote(id), quote(&derived)),
                derived,
            ),
            Own::Named(id) => return id.to_owned(),
        };
        let pointer = self.builder.surface().path(operation.element);
        self.warnings.push(code, message, self.docs.file(operation.node), operation.line, &pointer);
        id
    }

    /// An operation's own id. Its length is looked at first: an alias may put one long text into every operation.
    fn own(&self, node: At) -> Own<'d> {
        match self.docs.get(node, "operationId").and_then(|id| self.docs.loose_text(id)) {
            None => Own::Missing,
            Some(id) if id.len() > ID_MAX || id.chars().any(char::is_control) => Own::Unusable(id),
            Some(id) if id.trim().is_empty() => Own::Missing,
            Some(id) => Own::Named(id.trim()),
        }
    }

    fn operation(&mut self, found: Found, id: &str) -> Result<(), Refused> {
        let docs = self.docs;
        let Found { place, method, node, items, element, .. } = found;
        let method = self.text(&method);
        let kind = match place {
            Place::Path(path) => OperationKind::Http { method, path: self.text(&path) },
            Place::Webhook(name) => OperationKind::Webhook { method, name: self.text(&name) },
            Place::Callback { of, name, expression } => OperationKind::Callback {
                of: self.text(&of),
                name: self.text(&name),
                expression: self.text(&expression),
                method,
            },
        };
        let here = Spot { parent: element, step: String::new() };
        let inputs = self.inputs(node, &items, &here)?;
        let outcomes = self.outcomes(node, &here)?;
        let tags = docs.get(node, "tags").into_iter().flat_map(|tags| docs.items(tags)).take(100);
        let tags: Vec<&str> = tags.filter_map(|tag| docs.loose_text(tag)).collect();
        self.lifecycle(node, element);
        let operation = Operation {
            element,
            id: self.text(id),
            kind,
            summary: self.summary(node),
            tags: tags.into_iter().map(|tag| self.builder.words(tag)).collect(),
            deprecated: docs.is_true(node, "deprecated"),
            inputs,
            outcomes,
            security: self.security(node)?,
            servers: self.servers(node, &items)?,
            http: Vec::new(),
        };
        self.builder.operation(operation);
        Ok(())
    }
}

impl Reader<'_, '_> {
    /// When something ends, and how stable it is said to be.
    pub(super) fn lifecycle(&mut self, node: At, element: ElementId) {
        for (key, facet) in [("x-sunset", "openapi.sunset"), ("x-stability-level", "openapi.stability")] {
            if let Some(text) = self.docs.get(node, key).and_then(|value| self.docs.loose_text(value)) {
                self.builder.facet(element, facet, &Json::of_text(text));
            }
        }
    }
}

enum Own<'t> {
    Missing,
    Unusable(&'t str),
    Named(&'t str),
}

/// A path with its parameters' names taken out; nothing where the braces do not match.
fn template(path: &str) -> Option<String> {
    let mut template = String::with_capacity(path.len());
    let mut inside = false;
    for c in path.chars() {
        match (c, inside) {
            ('{', false) => {
                inside = true;
                template.push_str("{}");
            }
            ('}', true) => inside = false,
            ('{' | '}', _) | ('/', true) => return None,
            (_, true) => {}
            (c, false) => template.push(c),
        }
    }
    (!inside).then_some(template)
}
