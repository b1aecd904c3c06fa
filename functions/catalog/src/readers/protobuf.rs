//! The reader of Protocol Buffers: proto2, proto3 and the editions 2023 and 2024.
//!
//! A parser of our own, because none on the registry reads editions, goes on after a fault or does without the files that are imported. Files are parsed
//! one by one; [`index`] gathers what they define; then the roots' definitions become types and operations, and of other files what these reach.
//!
//! # What is what
//! - A method is an operation: `pkg.Service/Method`, with its `google.api.http` rules as bindings. Only the roots' services count.
//! - A message is a record and an enumeration an enumeration, both under their full names; groups are messages. Extensions are fields whose name stands
//!   in brackets, as JSON has it: `[pkg.ext]`.
//! - Presence is what the syntax and the features make of it: lists, maps and fields without presence are `Implicit`.
//! - A file is no element. What it says for all in it (syntax, options) is a set in the document's facet `protobuf.files`, to which the facet
//!   `protobuf.file` of top-level types refers; so it does not matter over how many files definitions are spread.
//!
//! # Facets
//! | facet | of | what |
//! | --- | --- | --- |
//! | `protobuf.files` | document | key → syntax, options and packages of files |
//! | `protobuf.services` | document | full name → file's key, options; services without methods are there too |
//! | `protobuf.source` | a root's own element | the key of what it says, its package; where a path stands is no meaning, so no digest has it |
//! | `protobuf.service` | a service's own element | its full name, so that it is found without its methods; as above |
//! | `protobuf.file` | top-level types | the key of the file's |
//! | `protobuf.package` | nested types | the package; elsewhere it is what stands before the last dot |
//! | `protobuf.options` | every element | options that are nothing else here; an extension's name stands in parentheses |
//! | `protobuf.features` | fields, enumerations | features beyond the core (those of a language), inherited ones too |
//! | `protobuf.reserved` | messages, enumerations | `numbers` (first and last, joined) and `names` |
//! | `protobuf.extensions` | messages | numbers for extensions, as ranges, some with options |
//! | `protobuf.json` | messages, enumerations | `legacy` where JSON is a best effort (proto2) |
//! | `protobuf.number` | fields, values | the number |
//! | `protobuf.json_name` | fields | where it is not the name in camel case |
//! | `protobuf.encoding` | fields | `packed` or `delimited`, where it is |
//! | `protobuf.utf8` | fields of text | `none` where UTF-8 is not verified |
//! | `protobuf.default` | closed enumerations | the number of the first value, which is the default, where it is not 0 |

mod ast;
mod faults;
mod features;
mod fields;
mod files;
mod index;
mod known;
mod lex;
mod operations;
mod options;
mod parse;
mod routes;
mod types;

#[cfg(test)]
mod tests;

use foldhash::HashMap;
use shared::surface::{Builder, Format, Surface};

pub use self::routes::routes;

use self::ast::File;
use self::index::{Index, Loaded};
use super::{Files, Refused, Warnings, quote};

/// What is read, as a refusal says it.
pub const READ: &str = "Protocol Buffers of proto2, proto3 and the editions 2023 and 2024 are read";

/// Whether a text begins as a `.proto` file does, after its comments.
#[must_use]
pub fn looks_like(text: &str) -> bool {
    parse::begins(text)
}

/// Reads an upload of `.proto` files.
///
/// # Errors
/// Everything that keeps it from being read, with the line where there is one.
pub fn read(files: &Files, roots: &[&str]) -> Result<(Surface, Warnings), Refused> {
    let mut warnings = Warnings::default();
    let loaded = load(files, roots, &mut warnings)?;
    let index = Index::of(&loaded, &mut warnings)?;
    faults::check(&loaded, &index, &mut warnings)?;
    let mut builder = Builder::new(Format::Protobuf);
    files::about(&mut builder, &loaded);
    for file in loaded.iter().filter(|file| file.is_uploaded) {
        builder.file(file.path);
    }
    let mut author = types::Author::new(&loaded, &index, builder, warnings);
    author.roots();
    author.operations()?;
    author.settle();
    author.files();
    Ok((author.builder.finish(), author.warnings))
}

/// The roots and all that they import, roots first.
fn load<'a>(files: &'a Files, roots: &[&str], warnings: &mut Warnings) -> Result<Vec<Loaded<'a>>, Refused> {
    let mut loaded: Vec<Loaded<'a>> = Vec::new();
    let mut places: HashMap<&'a str, usize> = HashMap::default();
    let by_name = by_name(files);
    let mut nodes = 0;
    for root in roots {
        // The upload's own copy of the path lives as long as its bytes.
        let Some((path, _)) = files.entry(root) else {
            return Err(Refused::new("no-file", format!("The upload has no file {}.", quote(root))));
        };
        if !places.contains_key(path) {
            places.insert(path, loaded.len());
            loaded.push(uploaded(files, path, true, &mut nodes)?);
        }
    }
    let mut next = 0;
    while let Some(file) = loaded.get(next) {
        let mut found = Vec::new();
        for import in &file.ast.imports {
            let target = find(files, &by_name, file.path, &import.path);
            if target.is_none() {
                let message = format!("The import {} is neither in the upload nor known.", quote(&import.path));
                warnings.push("unresolved-import", message, file.shown, import.spot.line, &import.path);
            }
            found.extend(target.map(|target| (target, import.is_public)));
        }
        let mut imports = Vec::with_capacity(found.len());
        for (target, is_public) in found {
            let (Target::Uploaded(path) | Target::Known(path, _)) = target;
            let place = places.get(path).copied().unwrap_or(loaded.len());
            if place == loaded.len() {
                places.insert(path, place);
                loaded.push(match target {
                    Target::Uploaded(path) => uploaded(files, path, false, &mut nodes)?,
                    Target::Known(path, text) => Loaded::new(path, "", parse::parse(path, text, &mut nodes)?).known(),
                });
            }
            imports.push((place, is_public));
        }
        if let Some(file) = loaded.get_mut(next) {
            file.imports = imports;
        }
        next += 1;
    }
    for file in &mut loaded {
        for note in std::mem::take(&mut file.ast.notes) {
            warnings.push(note.code, note.message, file.shown, note.spot.line, "");
        }
    }
    Ok(loaded)
}

fn uploaded<'a>(files: &'a Files, path: &'a str, is_root: bool, nodes: &mut usize) -> Result<Loaded<'a>, Refused> {
    let ast: File<'a> = parse::parse(path, files.text(path)?, nodes)?;
    let shown = if files.len() > 1 { path } else { "" };
    let is_known = !is_root && known::names(path).any(|name| known::file(name).is_some());
    Ok(Loaded { is_uploaded: true, is_root, is_known, ..Loaded::new(path, shown, ast) })
}

/// What an import leads to.
#[derive(Clone, Copy)]
enum Target<'a> {
    Uploaded(&'a str),
    Known(&'a str, &'a str),
}

/// The upload's paths by their last part.
fn by_name(files: &Files) -> HashMap<&str, Vec<&str>> {
    let mut by_name: HashMap<&str, Vec<&str>> = HashMap::default();
    for path in files.paths() {
        by_name.entry(path.rsplit('/').next().unwrap_or(path)).or_default().push(path);
    }
    by_name
}

/// The file that an import means. Imports are relative to folders that only the compiler's command names, so a file whose path ends with the import's
/// will do: the one that has most of its path in common with whoever imports it.
fn find<'a>(
    files: &'a Files,
    by_name: &HashMap<&'a str, Vec<&'a str>>,
    from: &str,
    import: &str,
) -> Option<Target<'a>> {
    if let Some((path, _)) = files.entry(import) {
        return Some(Target::Uploaded(path));
    }
    let ends = |path: &&&str| path.strip_suffix(import).is_some_and(|before| before.ends_with('/'));
    let common = |path: &&str| path.bytes().zip(from.bytes()).take_while(|(left, right)| left == right).count();
    let named = by_name.get(import.rsplit('/').next().unwrap_or(import));
    // Of several that are as near, the first by path.
    let nearest = named.into_iter().flatten().filter(ends).rev().max_by_key(|path| common(path));
    match nearest {
        Some(path) => Some(Target::Uploaded(path)),
        None => known::file(import).map(|(path, text)| Target::Known(path, text)),
    }
}
