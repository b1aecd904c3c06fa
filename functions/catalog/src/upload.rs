//! Uploads: what was sent becomes files, the files' format is found out, and their reader makes the surface.

mod archive;
mod families;

#[cfg(test)]
mod tests;

use shared::surface::{OperationKind, Surface};

use crate::domain::{Binding, Operation};
pub use crate::readers::tree::Syntax;
use crate::readers::{Files, Warnings, protobuf, quote};
pub use crate::readers::{Refused, UPLOAD_BYTES_MAX, Warning};

/// An upload that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The family of its format: `openapi`, `graphql` or `protobuf`.
    pub format: String,
    /// The version of the format that the document says it is written in, for example `3.0.3`.
    pub format_version: String,
    /// How it is written, or what kind of archive it came in.
    pub syntax: Syntax,
    /// The path of the file that it is about: with it, the same bytes are read the same way again; empty for all files of a
    /// format that has no such file.
    pub root: String,
    /// Its title, empty where it has none.
    pub title: String,
    /// Its own name of its version; empty where it has none.
    pub api_version: String,
    /// The operations that are called one by one: those of HTTP, root fields of GraphQL and methods of gRPC, in the order of the document.
    pub operations: Vec<Operation>,
    /// What is wrong with it and does not keep it from being read, at most 101.
    pub warnings: Vec<Warning>,
    /// All of it.
    pub surface: Surface,
}

/// What the sender says about a document: it goes before what its bytes look like.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hint<'a> {
    /// `openapi`, `graphql`, `protobuf`, or nothing for "find out".
    pub format: Option<&'a str>,
    /// A file's name, of which the ending counts, such as `.yaml` or `.proto`.
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
            None => families::roots(&files, hint)?,
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
    let family = families::of(files, root, hint)?;
    let (surface, mut warnings) = (family.read)(files, roots)?;
    let operations = operations(&surface, &mut warnings);
    Ok(Document {
        format: family.name.to_owned(),
        format_version: surface.format_version.0.to_string(),
        syntax: (family.syntax)(root, files.text(root).unwrap_or_default()),
        // Several are all there are: none of them is to be named.
        root: if roots.len() == 1 { root.to_owned() } else { String::new() },
        title: surface.title.0.to_string(),
        api_version: surface.api_version.0.to_string(),
        operations,
        warnings: warnings.finish(),
        surface,
    })
}

/// The operations of a surface that are called one by one: over HTTP by their path, as a root field of GraphQL by its name, or as a method of gRPC.
fn operations(surface: &Surface, warnings: &mut Warnings) -> Vec<Operation> {
    let mut routes = protobuf::routes(surface).into_iter().peekable();
    let mut listed = Vec::with_capacity(surface.operations.len());
    for (number, operation) in (0..).zip(&surface.operations) {
        let line = surface.position(operation.element).map_or(1, |position| position.line);
        let mut bindings = Vec::new();
        let (method, path) = match &operation.kind {
            OperationKind::Http { method, path } => (method.to_string(), path.to_string()),
            OperationKind::Field { root, name } => (format!("{root:?}").to_uppercase(), name.to_string()),
            OperationKind::Rpc { .. } => {
                let own = std::iter::from_fn(|| routes.next_if(|route| route.n == number));
                let mut own = own.map(|route| Binding { method: route.method, path: route.path });
                let Some(first) = own.next() else { continue };
                bindings.extend(own);
                (first.method, first.path)
            }
            _ => continue,
        };
        if Binding::cut(&mut bindings) {
            let message = format!(
                "The rules of google.api.http of {} have more than {} bytes: not all of them are routes.",
                quote(&operation.id),
                Binding::BYTES_MAX
            );
            warnings.push("routes-left-out", message, "", line, &operation.id);
        }
        listed.push(Operation {
            id: operation.id.to_string(),
            method,
            path,
            bindings,
            summary: operation.summary.0.to_string(),
            deprecated: operation.deprecated,
            line,
        });
    }
    listed
}
