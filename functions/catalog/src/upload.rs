//! Uploads: what was sent becomes files, the files' format is found out, and their reader makes the surface.

mod archive;

use shared::surface::{OperationKind, Surface};

use crate::domain::Operation;
pub use crate::readers::tree::Syntax;
use crate::readers::{Files, graphql, openapi, quote, tree};
pub use crate::readers::{Refused, UPLOAD_BYTES_MAX, Warning};

/// An upload that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The family of its format: `openapi` or `graphql`.
    pub format: String,
    /// The version of the format that the document says it is written in, for example `3.0.3`.
    pub format_version: String,
    /// How it is written, or what kind of archive it came in.
    pub syntax: Syntax,
    /// The path of the file that it is about: with it, the same bytes are read the same way again; empty for all files that are GraphQL.
    pub root: String,
    /// Its title, empty where it has none.
    pub title: String,
    /// Its own name of its version; empty where it has none.
    pub api_version: String,
    /// The operations that are called one by one: those of HTTP and root fields of GraphQL, in the order of the document.
    pub operations: Vec<Operation>,
    /// What is wrong with it and does not keep it from being read, at most 101.
    pub warnings: Vec<Warning>,
    /// All of it.
    pub surface: Surface,
}

/// What the sender says about a document: it goes before what its bytes look like.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hint<'a> {
    /// `openapi`, `graphql`, or nothing for "find out".
    pub format: Option<&'a str>,
    /// A file's name, of which the ending counts: `.json`, `.yaml` or `.yml`.
    pub filename: Option<&'a str>,
    /// The path in an archive of the file that it is about.
    pub root: Option<&'a str>,
}

/// Reads an upload: one document, or an archive of several files.
///
/// # Errors
/// Everything that keeps it from being read, with the file and the line where there is one.
pub fn read(bytes: &[u8], hint: Hint<'_>) -> Result<Document, Refused> {
    if bytes.len() > UPLOAD_BYTES_MAX {
        let message = format!("The document has {} bytes; {UPLOAD_BYTES_MAX} is the most that is read.", bytes.len());
        return Err(Refused::new("too-large", message));
    }
    if let Some(kind) = archive::kind(bytes) {
        let files = archive::open(bytes, kind)?;
        let roots = match hint.root {
            Some(root) => vec![root],
            None => find_roots(&files, hint)?,
        };
        let document = read_files(&files, &roots, hint)?;
        return Ok(Document { syntax: kind, ..document });
    }
    // The name is for people and for its ending: the only file has no other to be told from.
    let path =
        hint.root.or(hint.filename).and_then(|name| name.rsplit(['/', '\\']).next()).filter(|name| !name.is_empty());
    let path = path.unwrap_or("document");
    read_files(&Files::one(path, bytes.to_vec()), &[path], hint)
}

/// Reads an upload of which the roots are known.
///
/// # Errors
/// Everything that keeps it from being read, with the file and the line where there is one.
pub fn read_files(files: &Files, roots: &[&str], hint: Hint<'_>) -> Result<Document, Refused> {
    let root = roots.first().copied().unwrap_or_default();
    let is_graphql = is_graphql(files, root, hint);
    let (syntax, (surface, warnings)) = if is_graphql {
        (Syntax::Graphql, graphql::read(files, roots)?)
    } else {
        let text = files.text(root)?;
        sniff(text, root, hint)?;
        (Syntax::of(root, text), openapi::read(files, roots)?)
    };
    Ok(Document {
        format: if is_graphql { "graphql" } else { "openapi" }.to_owned(),
        format_version: surface.format_version.0.to_string(),
        syntax,
        // Several are all there are: none of them is to be named.
        root: if roots.len() == 1 { root.to_owned() } else { String::new() },
        title: surface.title.0.to_string(),
        api_version: surface.api_version.0.to_string(),
        operations: operations(&surface),
        warnings: warnings.finish(),
        surface,
    })
}

/// Whether it is GraphQL: by what the sender says, by its name, or else by how it begins.
fn is_graphql(files: &Files, path: &str, hint: Hint<'_>) -> bool {
    match hint.format {
        Some(format) => format.eq_ignore_ascii_case("graphql"),
        None if path.contains('.') => graphql::is_named(path),
        None => files.text(path).is_ok_and(graphql::looks_like),
    }
}

/// The files of an archive that it is about: the only one that says of itself that it is an API, or all that are GraphQL.
fn find_roots<'f>(files: &'f Files, hint: Hint<'_>) -> Result<Vec<&'f str>, Refused> {
    let graphql = graphql::roots(files);
    if hint.format.is_some_and(|format| format.eq_ignore_ascii_case("graphql")) && !graphql.is_empty() {
        return Ok(graphql);
    }
    let is_root = |path: &&str| {
        let Ok(text) = files.text(path) else { return false };
        let is_marked = text.contains("openapi") || text.contains("swagger");
        is_marked
            && tree::read(text, Syntax::of(path, text))
                .is_ok_and(|(tree, root)| ["openapi", "swagger"].iter().any(|key| tree.get(root, key).is_some()))
    };
    let roots: Vec<&str> = if files.len() == 1 {
        files.paths().collect()
    } else {
        files.paths().filter(|path| Syntax::is_named(path)).filter(is_root).take(10).collect()
    };
    match roots[..] {
        [root] => Ok(vec![root]),
        [] if !graphql.is_empty() => Ok(graphql),
        [] => Err(Refused::new("root", format!("None of the files is an API's document; {}.", openapi::READ))),
        _ => {
            let shown: Vec<String> = roots.iter().map(|path| quote(path)).collect();
            Err(Refused::new(
                "root",
                format!(
                    "Several files are an API's document: say with `root` which one is meant: {}.",
                    shown.join(", ")
                ),
            ))
        }
    }
}

/// The operations of a surface that are called one by one: over HTTP by their path, or as a root field of GraphQL by its name.
fn operations(surface: &Surface) -> Vec<Operation> {
    let listed = surface.operations.iter().filter_map(|operation| {
        let (method, path) = match &operation.kind {
            OperationKind::Http { method, path } => (method.to_string(), path.to_string()),
            OperationKind::Field { root, name } => (format!("{root:?}").to_uppercase(), name.to_string()),
            _ => return None,
        };
        Some(Operation {
            id: operation.id.to_string(),
            method,
            path,
            summary: operation.summary.0.to_string(),
            deprecated: operation.deprecated,
            line: surface.position(operation.element).map_or(1, |position| position.line),
        })
    });
    listed.collect()
}

/// Refuses what is written in a format that has no reader, by what the sender says or else by how it begins.
fn sniff(text: &str, path: &str, hint: Hint<'_>) -> Result<(), Refused> {
    let read = format!("{}; {}", openapi::READ, graphql::READ);
    let other = |name: &str| Err(Refused::new("format", format!("This is {name}, which is not read; {read}.")));
    match hint.format.map(str::to_ascii_lowercase).as_deref() {
        None | Some("openapi") => {}
        Some(format) => {
            return Err(Refused::new("format", format!("The format {} is not read; {read}.", quote(format))));
        }
    }
    let ending = path.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    match ending.as_deref() {
        Some("json" | "yaml" | "yml") => return Ok(()),
        Some("proto") => return other("a Protocol Buffers file"),
        Some("wsdl" | "xml" | "xsd") => return other("an XML document"),
        Some("raml") => return other("a RAML document"),
        _ => {}
    }
    let start = text.trim_start();
    if start.starts_with('<') {
        return other("an XML document");
    }
    if start.starts_with("#%RAML") {
        return other("a RAML document");
    }
    // A schema language in a file without a telling name: said so rather than "not YAML".
    let code = |line: &&str| !line.is_empty() && !line.starts_with(['#', '/', '"', '*']);
    match start.lines().map(str::trim).find(code) {
        Some(line) if line.starts_with("syntax") && line.contains('=') => other("a Protocol Buffers file"),
        _ => Ok(()),
    }
}
