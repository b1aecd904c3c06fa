//! The families of formats that are read, one row for each: how it is known, and who reads it.

use shared::surface::Surface;

use super::{Hint, Syntax};
use crate::readers::{Files, Refused, Warnings, graphql, openapi, protobuf, quote};

/// Files that are named where one of them must be chosen.
const SHOWN_MAX: usize = 10;

/// From the files of an upload, and the paths of those that it is about.
type Reader = fn(&Files, &[&str]) -> Result<(Surface, Warnings), Refused>;

/// A family of formats.
pub(super) struct Family {
    /// As `format` names it, and as a version says it.
    pub(super) name: &'static str,
    /// What is read of it, as a refusal says it.
    what: &'static str,
    /// The endings of its files' names. Families may share some: how the file begins decides between them.
    endings: &'static [&'static str],
    /// Whether a text begins as its documents do.
    begins: fn(&str) -> bool,
    /// What an upload of several files is about.
    about: About,
    /// How a file is written, by its name and its text.
    pub(super) syntax: fn(&str, &str) -> Syntax,
    /// Its reader.
    pub(super) read: Reader,
}

/// What an upload of several files is about.
enum About {
    /// One file, to which the others belong: the only one that says of itself that it is such.
    One(fn(&Files, &str) -> bool),
    /// All files of the family, by their names.
    All,
}

/// The last one is what everything else is taken for: its reader says what is missing.
const FAMILIES: [Family; 3] = [
    Family {
        name: "graphql",
        what: graphql::READ,
        endings: &graphql::ENDINGS,
        begins: graphql::looks_like,
        about: About::All,
        syntax: |_, _| Syntax::Graphql,
        read: graphql::read,
    },
    Family {
        name: "protobuf",
        what: protobuf::READ,
        endings: &["proto"],
        begins: protobuf::looks_like,
        about: About::All,
        syntax: |_, _| Syntax::Protobuf,
        read: protobuf::read,
    },
    Family {
        name: "openapi",
        what: openapi::READ,
        endings: &["json", "yaml", "yml"],
        begins: |_| true,
        about: About::One(openapi::is_root),
        syntax: Syntax::of,
        read: openapi::read,
    },
];

/// What is known and not read.
struct Unread {
    what: &'static str,
    endings: &'static [&'static str],
    start: &'static str,
}

const UNREAD: [Unread; 2] = [
    Unread { what: "an XML document", endings: &["wsdl", "xml", "xsd"], start: "<" },
    Unread { what: "a RAML document", endings: &["raml"], start: "#%RAML" },
];

/// All that is read, as a refusal says it.
fn all_read() -> String {
    let mut all: Vec<&str> = FAMILIES.iter().map(|family| family.what).collect();
    all.reverse();
    all.join("; ")
}

fn is_of(ending: &str, endings: &[&str]) -> bool {
    endings.iter().any(|known| ending.eq_ignore_ascii_case(known))
}

/// The family that the sender names.
fn named(format: &str) -> Result<&'static Family, Refused> {
    FAMILIES
        .iter()
        .find(|family| family.name.eq_ignore_ascii_case(format))
        .ok_or_else(|| Refused::new("format", format!("The format {} is not read; {}.", quote(format), all_read())))
}

/// The family of a file: by what the sender says, by its name, or else by how it begins.
pub(super) fn of(files: &Files, path: &str, hint: Hint<'_>) -> Result<&'static Family, Refused> {
    if let Some(format) = hint.format {
        return named(format);
    }
    let ending = path.rsplit_once('.').map_or("", |(_, ending)| ending);
    let mut candidates: Vec<&Family> = FAMILIES.iter().filter(|family| is_of(ending, family.endings)).collect();
    let mut unread = UNREAD.iter().find(|unread| is_of(ending, unread.endings));
    if candidates.is_empty() && unread.is_none() {
        candidates = FAMILIES.iter().collect();
        let start = files.text(path)?.trim_start();
        unread = UNREAD.iter().find(|unread| start.starts_with(unread.start));
    }
    if let Some(Unread { what, .. }) = unread {
        return Err(Refused::new("format", format!("This is {what}, which is not read; {}.", all_read())));
    }
    if let [only] = candidates[..] {
        return Ok(only);
    }
    let text = files.text(path)?;
    let found = candidates.iter().find(|family| (family.begins)(text)).or(candidates.last()).copied();
    found.ok_or_else(|| Refused::new("format", format!("The format is not known; {}.", all_read())))
}

/// The files of an archive that it is about: the only one that says of itself that it is an API, or all of a family that has no such one.
pub(super) fn roots<'f>(files: &'f Files, hint: Hint<'_>) -> Result<Vec<&'f str>, Refused> {
    if files.len() == 1 {
        return Ok(files.paths().collect());
    }
    let families: Vec<&Family> = match hint.format {
        Some(format) => vec![named(format)?],
        None => FAMILIES.iter().collect(),
    };
    let is_root =
        |path: &&str| families.iter().any(|family| matches!(family.about, About::One(is_root) if is_root(files, path)));
    let ones: Vec<&str> = files.paths().filter(is_root).take(SHOWN_MAX).collect();
    if let [_, _, ..] = ones[..] {
        let shown: Vec<String> = ones.iter().map(|path| quote(path)).collect();
        let message =
            format!("Several files are an API's document: say with `root` which one is meant: {}.", shown.join(", "));
        return Err(Refused::new("root", message));
    }
    if !ones.is_empty() {
        return Ok(ones);
    }
    let mut found: Vec<(&str, Vec<&str>)> = Vec::new();
    for family in families.iter().filter(|family| matches!(family.about, About::All)) {
        let named = |path: &&str| path.rsplit_once('.').is_some_and(|(_, ending)| is_of(ending, family.endings));
        let all: Vec<&str> = files.paths().filter(named).collect();
        if !all.is_empty() {
            found.push((family.name, all));
        }
    }
    match &mut found[..] {
        [(_, all)] => Ok(std::mem::take(all)),
        [] => Err(Refused::new("root", format!("None of the files is an API's document; {}.", all_read()))),
        several => {
            let names: Vec<&str> = several.iter().map(|(name, _)| *name).collect();
            let message = format!(
                "The archive has files of several formats: say with `format` which one is meant: {}.",
                names.join(", ")
            );
            Err(Refused::new("root", message))
        }
    }
}
