//! The reader of GraphQL's schema definition language.
//!
//! The grammar is small and stands here whole ([`parser`]); a general parser would keep a tree of every comma. Definitions and extensions of all files are
//! put together by name ([`together`]), what contradicts the specification becomes warnings ([`check`]), and what is left becomes the surface ([`write`]):
//!
//! - an **operation** is a field of a root type, `Query.user`, whatever the root type is called; it is one element with the field of that type, so their
//!   place and facets are the same. Documents without root types (libraries of types, parts of a federation) have no operations;
//! - **paths** are schema coordinates: `User.name`, `User.posts(first:)`, `Color.RED`, `@tag(name:)`;
//! - **facets**: `graphql.roots` (what the root types are called) and the schema's own directives at the document, `graphql.directives` (name and arguments,
//!   in their order) at whatever they are applied to, `graphql.deprecation_reason`, `graphql.specified_by`, and at a directive's definition
//!   `graphql.locations` and `graphql.repeatable`. `@oneOf` is the algebra's [`choices`](shared::surface::Record::choices);
//! - **defaults** are JSON as the values would be sent: a value of an enumeration is its name as a text.

mod check;
mod lexer;
mod parser;
mod syntax;
mod together;
mod write;

#[cfg(test)]
mod tests;

use shared::surface::Surface;

use self::lexer::At;
use self::parser::Unread;
use self::syntax::Document;
use super::{DEPTH_MAX, Files, Refused, Warnings, quote};

/// What the documents of an upload may be made of: definitions, fields, arguments, values, directives. GitHub's schema has 30,000.
const PARTS_MAX: usize = 500_000;
/// What is read, as a refusal says it.
pub const READ: &str = "GraphQL schemas are read, in the schema definition language";

/// The endings of files that are GraphQL.
pub const ENDINGS: [&str; 3] = ["graphql", "graphqls", "gql"];

/// Whether a text begins as GraphQL does.
#[must_use]
pub fn looks_like(text: &str) -> bool {
    parser::begins(text)
}

/// Reads an upload whose roots are GraphQL documents: all of them together are one schema.
///
/// # Errors
/// A root is not UTF-8, not GraphQL or too large, the only one has queries in it, or nothing is defined at all.
pub fn read(files: &Files, roots: &[&str]) -> Result<(Surface, Warnings), Refused> {
    let mut report = Report { is_one: files.len() == 1, paths: Vec::new(), warnings: Warnings::default() };
    let mut documents = Vec::new();
    let mut parts = PARTS_MAX;
    for path in roots {
        let file = u32::try_from(documents.len()).unwrap_or(u32::MAX);
        let skipped = match files.text(path) {
            Ok(text) => match parser::parse(text, file, &mut parts) {
                Ok(document) => {
                    documents.push(document);
                    report.paths.push(path);
                    continue;
                }
                Err(unread) => refused(path, unread),
            },
            Err(refused) => refused,
        };
        // A folder of a program has its queries beside the schema.
        if roots.len() == 1 || !matches!(skipped.code, "empty" | "executable") {
            return Err(skipped);
        }
        report.warnings.push(skipped.code, skipped.message, path, skipped.line.unwrap_or(1), "");
    }
    if documents.iter().all(|document: &Document<'_>| document.definitions.is_empty() && document.schemas.is_empty()) {
        let message = "Nothing is defined in it: a schema has at least one definition.".to_owned();
        return Err(Refused::new("empty", message).at(roots.first().copied().unwrap_or_default(), 1, 1));
    }
    let together = together::put(documents, &mut report);
    check::check(&together, &mut report);
    let surface = write::write(&together, &mut report)?;
    Ok((surface, report.warnings))
}

fn refused(path: &str, unread: Unread) -> Refused {
    let (code, at, message) = match unread {
        Unread::Syntax(fault) => ("syntax", fault.at, format!("The document is no GraphQL: {}.", fault.message)),
        Unread::TooDeep(at) => {
            ("too-deep", at, format!("The document is nested too deeply: {DEPTH_MAX} levels are read."))
        }
        Unread::TooMany(at) => {
            let message =
                format!("The schema is too large: {PARTS_MAX} definitions, fields, arguments and values are read.");
            ("too-many-values", at, message)
        }
        Unread::Executable(at) => {
            let message = "The document has a query, another operation or a fragment in it, so it is no schema. Upload the schema alone.";
            ("executable", at, message.to_owned())
        }
    };
    Refused::new(code, message).at(path, at.line, at.column)
}

/// Gathers warnings.
struct Report<'a> {
    /// Whether the upload was one document, whose name nobody needs to be told.
    is_one: bool,
    /// The files that were read.
    paths: Vec<&'a str>,
    warnings: Warnings,
}

impl Report<'_> {
    fn warn(&mut self, code: &str, at: At, path: &str, message: String) {
        let file = self.paths.get(at.file as usize).copied().unwrap_or_default();
        self.warnings.push(code, message, if self.is_one { "" } else { file }, at.line, path);
    }
}
