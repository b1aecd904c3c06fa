//! What is fuzzed.

use catalog::readers::{Files, Refused, Warnings, graphql, openapi, protobuf};
use catalog::upload::{self, Hint};
use shared::surface::{Digests, Surface};

use crate::features::Features;

/// The line that begins another file of an input: its path follows.
pub const FILE: &str = "%%% ";

/// What a reader is.
type Read = fn(&Files, &[&str]) -> Result<(Surface, Warnings), Refused>;

/// A target: bytes in, and what must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Files of OpenAPI in JSON, read from the first one.
    OpenApi,
    /// The same in YAML: every document goes through the YAML tree, whatever it is.
    Yaml,
    /// Files of GraphQL, all of them roots.
    GraphQl,
    /// Files of Protocol Buffers, all of them roots.
    Protobuf,
    /// An upload as it comes: a zip or tar file, or a document whose format is to be found out.
    Archive,
    /// A packed surface.
    Unpack,
}

impl Target {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::OpenApi, Self::Yaml, Self::GraphQl, Self::Protobuf, Self::Archive, Self::Unpack];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenApi => "openapi",
            Self::Yaml => "yaml",
            Self::GraphQl => "graphql",
            Self::Protobuf => "protobuf",
            Self::Archive => "archive",
            Self::Unpack => "unpack",
        }
    }

    /// The ending of its files.
    #[must_use]
    pub fn ending(self) -> &'static str {
        match self {
            Self::OpenApi | Self::Unpack => "json",
            Self::Yaml => "yaml",
            Self::GraphQl => "graphql",
            Self::Protobuf => "proto",
            Self::Archive => "bin",
        }
    }

    /// Reads an input and checks what must hold of the result; panics where it does not.
    #[must_use]
    pub fn run(self, input: &[u8]) -> Features {
        let mut features = Features::default();
        match self {
            Self::Archive => archive(input, &mut features),
            Self::Unpack => unpack(input, &mut features),
            _ => self.document(input, &mut features),
        }
        features
    }

    fn document(self, input: &[u8], features: &mut Features) {
        let files = files(input, self.ending());
        let paths: Vec<&str> = files.paths().collect();
        let read: Read = match self {
            Self::GraphQl => graphql::read,
            Self::Protobuf => protobuf::read,
            _ => openapi::read,
        };
        let roots = if matches!(self, Self::OpenApi | Self::Yaml) { &paths[..1] } else { &paths[..] };
        match read(&files, roots) {
            Ok((surface, warnings)) => {
                features.warnings(&warnings.finish());
                features.surface(&surface);
                check(&surface);
                let again = read(&files, roots).map(|(surface, _)| surface.digest);
                assert_eq!(again.as_ref(), Ok(&surface.digest), "the same bytes are read in the same way");
            }
            Err(refused) => {
                assert!(refused.message.len() < 4_000, "a refusal is short: {}", refused.message.len());
                features.refused(&refused);
            }
        }
    }
}

/// The files of an input: the first is the root, and lines that begin with [`FILE`] begin the others.
fn files(input: &[u8], ending: &str) -> Files {
    let mut files = Files::default();
    let mut path = format!("a.{ending}");
    let mut from = 0;
    let mut at = 0;
    for line in input.split_inclusive(|byte| *byte == b'\n') {
        if let Some(name) = line.strip_prefix(FILE.as_bytes()) {
            files.add(&path, input[from..at].to_vec());
            path = format!("b/{}", String::from_utf8_lossy(name).trim());
            from = at + line.len();
        }
        at += line.len();
    }
    files.add(&path, input[from..].to_vec());
    files
}

/// What holds of every surface that a reader makes.
fn check(surface: &Surface) {
    let packed = surface.pack();
    let unpacked = Surface::unpack(&packed).expect("what was packed can be unpacked");
    assert!(unpacked == *surface, "a surface is unpacked as it was packed");
    for (id, position) in (0_u32..).zip(&surface.positions) {
        assert!(position.parent.0 == 0 || position.parent.0 < id, "a parent is older than its child");
        assert!((position.file as usize) < surface.files.len().max(1), "a position is in a file that was read");
    }
}

fn archive(input: &[u8], features: &mut Features) {
    match upload::read(input, Hint::default()) {
        Ok(document) => {
            features.note(("format", &document.format, document.root.is_empty(), document.syntax.media_type()));
            features.warnings(&document.warnings);
            features.surface(&document.surface);
            let again = upload::read(input, Hint::default()).map(|document| document.surface.digest);
            assert_eq!(again.as_ref(), Ok(&document.surface.digest), "the same bytes are read in the same way");
        }
        Err(refused) => features.refused(&refused),
    }
}

fn unpack(input: &[u8], features: &mut Features) {
    match Surface::unpack(input) {
        Ok(surface) => {
            features.surface(&surface);
            let packed = surface.pack();
            assert!(Surface::unpack(&packed).as_ref() == Ok(&surface), "what can be unpacked can be packed");
            // Whatever the tables say, walking them ends.
            features.note(("types", Digests::of(&surface).types.len().min(8)));
            for element in surface.facets.keys() {
                features.note(("path", surface.path(*element).len().min(8)));
            }
        }
        Err(error) => features.note(("unreadable", error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_cut_into_files_at_the_lines_that_name_them() {
        let files = files(b"one\n%%% c/d.proto\ntwo\nthree", "proto");
        assert_eq!(files.paths().collect::<Vec<_>>(), ["a.proto", "b/c/d.proto"]);
        assert_eq!(files.get("a.proto"), Some(&b"one\n"[..]));
        assert_eq!(files.get("b/c/d.proto"), Some(&b"two\nthree"[..]));
    }

    #[test]
    fn a_document_that_is_read_has_more_features_than_one_that_is_not() {
        let good = Target::GraphQl.run(b"type Query { a(b: Int = 1): [String!] @deprecated }").0;
        let bad = Target::GraphQl.run(b"type Query { a").0;
        assert!(good.len() > 10 && bad.len() == 1, "{} {}", good.len(), bad.len());
    }
}
