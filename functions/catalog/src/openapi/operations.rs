//! The operations of a document: what stands under `paths`, one per method.

use std::collections::{HashMap, HashSet};

use super::refs::{Refs, Target, escape};
use super::tree::{Entry, Kind, NodeId, Tree, quote};
use super::{OPERATIONS_MAX, Operation, ReadError, Warnings};

/// The methods of a path item in OpenAPI 3.0 and 3.1.
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
/// Bytes of an `operationId` that are kept as an id; one that is longer gets a derived id.
const ID_MAX: usize = 200;
/// Characters of a path.
const PATH_MAX: usize = 1_000;
const SUMMARY_MAX: usize = 500;
/// References from path item to path item that are followed.
const HOPS_MAX: usize = 16;

struct Found<'t> {
    method: String,
    path: &'t str,
    node: NodeId,
    line: u32,
    pointer: String,
}

/// Reads the operations in the order of the document.
pub(super) fn read<'t, 'a>(
    tree: &'t Tree<'a>,
    paths: NodeId,
    refs: &mut Refs<'t, 'a>,
    warnings: &mut Warnings,
) -> Result<Vec<Operation>, ReadError> {
    let mut found = Vec::new();
    let mut templates: HashMap<String, &str> = HashMap::new();
    for entry in tree.entries(paths) {
        let path: &str = entry.key.trim();
        if path.starts_with("x-") {
            continue;
        }
        if entry.key.chars().count() > PATH_MAX {
            return Err(ReadError::new(
                "path-too-long",
                format!("The path {} is longer than {PATH_MAX} characters.", quote(path)),
            )
            .at(entry.position));
        }
        let pointer = format!("/paths/{}", escape(&entry.key));
        let line = entry.position.line;
        if !path.starts_with('/') {
            warnings.push(
                "path",
                format!("The path {} does not begin with `/`; its operations are left out.", quote(path)),
                line,
                &pointer,
            );
            continue;
        }
        if path.chars().any(char::is_control) {
            warnings.push(
                "path",
                format!("The path {} holds control characters; its operations are left out.", quote(path)),
                line,
                &pointer,
            );
            continue;
        }
        if path.len() < entry.key.len() {
            warnings.push(
                "path",
                format!("The path {} has space around it, which is left out.", quote(path)),
                line,
                &pointer,
            );
        }
        match template(path) {
            None => {
                warnings.push("path", format!("The braces of the path {} do not match.", quote(path)), line, &pointer);
            }
            Some(template) => {
                if let Some(first) = templates.insert(template, path) {
                    warnings.push(
                        "ambiguous-path",
                        format!("The paths {} and {} match the same requests.", quote(first), quote(path)),
                        line,
                        &pointer,
                    );
                }
            }
        }
        path_item(tree, entry.value, path, line, &pointer, refs, warnings, &mut found)?;
    }
    Ok(name(tree, found, warnings))
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

/// Notes the operations of a path item, and of the one that it refers to. `Refs::check` has refused circles before.
#[allow(clippy::too_many_arguments)] // One step of the loop above, apart for its length.
fn path_item<'t, 'a>(
    tree: &'t Tree<'a>,
    item: NodeId,
    path: &'t str,
    line: u32,
    pointer: &str,
    refs: &mut Refs<'t, 'a>,
    warnings: &mut Warnings,
    found: &mut Vec<Found<'t>>,
) -> Result<(), ReadError> {
    let mut item = tree.target(item);
    let mut methods: HashSet<&str> = HashSet::new();
    for _ in 0..HOPS_MAX {
        if tree.name(item) != "a map" {
            if tree.name(item) == "null" {
                warnings.push("empty-path", format!("The path {} has no operations.", quote(path)), line, pointer);
                return Ok(());
            }
            return Err(ReadError::new(
                "path-item",
                format!("The path {} must be a map of operations, not {}.", quote(path), tree.name(item)),
            )
            .at(tree.position(item))
            .pointing(pointer));
        }
        // By name, not entry by entry: many paths may refer to one long item.
        let mut entries: Vec<(&str, &Entry<'_>)> = METHODS
            .iter()
            .filter_map(|method| Some((*method, tree.entry(item, method)?)))
            .filter(|(method, _)| methods.insert(method))
            .collect();
        entries.sort_by_key(|(_, entry)| (entry.position.line, entry.position.column));
        for (method, entry) in entries {
            let node = tree.target(entry.value);
            let pointer = format!("{pointer}/{method}");
            if tree.name(node) != "a map" {
                return Err(ReadError::new(
                    "operation",
                    format!("The operation must be a map, not {}.", tree.name(node)),
                )
                .at(entry.position)
                .pointing(&pointer));
            }
            if found.len() >= OPERATIONS_MAX {
                return Err(ReadError::new(
                    "too-many-operations",
                    format!("The document has more than {OPERATIONS_MAX} operations, which is the most that is read."),
                )
                .at(entry.position));
            }
            found.push(Found { method: method.to_ascii_uppercase(), path, node, line: entry.position.line, pointer });
        }
        // What leads nowhere has its warning already.
        let Some(reference) = tree.get(item, "$ref").and_then(|reference| tree.text(reference)) else { return Ok(()) };
        match refs.resolve(reference) {
            Target::Found(target) => item = target,
            Target::Dangling | Target::Outside => return Ok(()),
        }
    }
    warnings.push(
        "ref-chain",
        format!("The path {} leads through more than {HOPS_MAX} references; the rest is left out.", quote(path)),
        line,
        pointer,
    );
    Ok(())
}

/// Gives every operation its id: its own where it is the only one with it, else `METHOD /path`, which is unique in a document.
fn name(tree: &Tree<'_>, found: Vec<Found<'_>>, warnings: &mut Warnings) -> Vec<Operation> {
    let mut uses: HashMap<String, u32> = HashMap::new();
    for operation in &found {
        if let Own::Named(id) = own(tree, operation) {
            *uses.entry(id.to_owned()).or_default() += 1;
        }
        // A derived id is taken by its operation: no other may call itself so.
        *uses.entry(derived(operation)).or_default() += 1;
    }
    found
        .into_iter()
        .map(|operation| {
            let derived = derived(&operation);
            let id = match own(tree, &operation) {
                Own::Missing => derived,
                Own::Named(id) if id == derived => derived,
                Own::Unusable(id) => {
                    let message = format!(
                        "The operationId {} is longer than {ID_MAX} bytes or holds control characters; {} is used.",
                        quote(id),
                        quote(&derived)
                    );
                    warnings.push("operation-id", message, operation.line, &operation.pointer);
                    derived
                }
                Own::Named(id) if uses.get(id).is_some_and(|uses| *uses > 1) => {
                    let message =
                        format!("The operationId {} is used more than once; {} is used.", quote(id), quote(&derived));
                    warnings.push("duplicate-operation-id", message, operation.line, &operation.pointer);
                    derived
                }
                Own::Named(id) => id.to_owned(),
            };
            let summary = tree
                .get(operation.node, "summary")
                .and_then(|text| tree.loose_text(text))
                .map(|text| cut(text, SUMMARY_MAX));
            Operation {
                id,
                method: operation.method.clone(),
                path: operation.path.to_owned(),
                summary: summary.unwrap_or_default(),
                deprecated: matches!(
                    tree.get(operation.node, "deprecated").map(|node| tree.kind(node)),
                    Some(Kind::Bool(true))
                ),
                line: operation.line,
            }
        })
        .collect()
}

fn derived(operation: &Found<'_>) -> String {
    format!("{} {}", operation.method, operation.path)
}

enum Own<'t> {
    Missing,
    Unusable(&'t str),
    Named(&'t str),
}

/// An operation's own id. Its length is looked at first: an alias may put one long text into every operation.
fn own<'t>(tree: &'t Tree<'_>, operation: &Found<'_>) -> Own<'t> {
    match tree.get(operation.node, "operationId").and_then(|id| tree.loose_text(id)) {
        None => Own::Missing,
        Some(id) if id.len() > ID_MAX || id.chars().any(char::is_control) => Own::Unusable(id),
        Some(id) if id.trim().is_empty() => Own::Missing,
        Some(id) => Own::Named(id.trim()),
    }
}

/// A text without the space around it, cut.
fn cut(text: &str, most: usize) -> String {
    let start: String = text.chars().take(most).collect();
    start.trim().to_owned()
}
