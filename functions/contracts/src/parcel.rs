//! A document on its way to the catalog: one file as it is, several as a tar; packed.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use shared::chassis::gzip;

/// Bytes of a parcel: a call of Lambda takes 6 MB, in base64.
const PARCEL_BYTES_MAX: usize = 4_400_000;

/// A document, as the catalog takes it.
#[derive(Debug)]
pub(crate) struct Parcel {
    /// What goes beside it: `filename`, `root` and `format`.
    pub query: String,
    /// Gzip.
    pub bytes: Vec<u8>,
}

/// Why there is none.
#[derive(Debug)]
pub(crate) enum Unpackable {
    /// So many bytes are left of it when it is packed, too many for the catalog.
    TooLarge(usize),
    /// It could not be written.
    Broken(std::io::Error),
}

impl From<std::io::Error> for Unpackable {
    fn from(error: std::io::Error) -> Self {
        Self::Broken(error)
    }
}

/// What goes beside a document: the parameters that have a value.
pub(crate) fn query(parameters: &[(&str, Option<&str>)]) -> String {
    let mut query = String::new();
    for (name, value) in parameters {
        if let Some(value) = value {
            let separator = if query.is_empty() { '?' } else { '&' };
            // Writing to a `String` cannot fail.
            let _ = write!(query, "{separator}{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC));
        }
    }
    query
}

/// Packs a document.
pub(crate) fn parcel(
    files: &BTreeMap<String, String>,
    root: Option<&str>,
    format: Option<&str>,
) -> Result<Parcel, Unpackable> {
    let only = if files.len() == 1 { files.iter().next() } else { None };
    let (query, bytes) = match only {
        // The catalog knows a document that comes alone by the end of its name, so one in a folder comes in an archive, too.
        Some((path, text)) if !path.contains('/') && path.len() <= 255 => {
            (query(&[("filename", Some(path)), ("format", format)]), packed(text.as_bytes(), PARCEL_BYTES_MAX)?)
        }
        _ => {
            let root = root.or(only.map(|(path, _)| path.as_str()));
            (query(&[("root", root), ("format", format)]), packed(&tar(files)?, PARCEL_BYTES_MAX)?)
        }
    };
    Ok(Parcel { query, bytes })
}

/// In a hurry, unless only the slower way makes it fit.
fn packed(bytes: &[u8], bytes_max: usize) -> Result<Vec<u8>, Unpackable> {
    let quick = gzip::pack_fast(bytes)?;
    if quick.len() <= bytes_max {
        return Ok(quick);
    }
    let small = gzip::pack(bytes)?;
    if small.len() <= bytes_max { Ok(small) } else { Err(Unpackable::TooLarge(small.len())) }
}

/// Without times and owners, so that the same files are the same bytes.
fn tar(files: &BTreeMap<String, String>) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(u64::try_from(text.len()).unwrap_or(u64::MAX));
        archive.append_data(&mut header, path, text.as_bytes())?;
    }
    archive.into_inner()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn files(of: &[(&str, &str)]) -> BTreeMap<String, String> {
        of.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn one_file_goes_as_it_is_and_several_or_one_in_a_folder_as_an_archive() {
        let one = parcel(&files(&[("a b.yaml", "openapi: 3.1.0")]), None, Some("openapi")).unwrap();
        assert_eq!(one.query, "?filename=a%20b%2Eyaml&format=openapi");
        assert_eq!(gzip::unpack(&one.bytes, 100).unwrap(), b"openapi: 3.1.0");
        let long = "d/".repeat(100) + "b.yaml";
        let all = files(&[("a.yaml", "a"), (&long, "bb")]);
        let several = parcel(&all, Some("a.yaml"), None).unwrap();
        assert_eq!(several.query, "?root=a%2Eyaml");
        let bytes = gzip::unpack(&several.bytes, 100_000).unwrap();
        let back: BTreeMap<String, String> = tar::Archive::new(&bytes[..])
            .entries()
            .unwrap()
            .map(|entry| {
                let (mut entry, mut text) = (entry.unwrap(), String::new());
                entry.read_to_string(&mut text).unwrap();
                (String::from_utf8(entry.path_bytes().into_owned()).unwrap(), text)
            })
            .collect();
        assert_eq!(back, all);
        assert_eq!(parcel(&files(&[("api/a.yaml", "a")]), None, None).unwrap().query, "?root=api%2Fa%2Eyaml");
        assert_eq!(parcel(&all, Some("a.yaml"), None).unwrap().bytes, several.bytes, "no times, no owners");
    }

    #[test]
    fn what_does_not_fit_a_call_even_when_it_is_packed_is_refused() {
        let words: Vec<String> = (0..2_000).map(|number| format!("{number:x} {}", number % 7)).collect();
        let text = words.concat();
        let (quick, small) = (gzip::pack_fast(text.as_bytes()).unwrap(), gzip::pack(text.as_bytes()).unwrap());
        assert!(small.len() < quick.len());
        assert_eq!(packed(text.as_bytes(), quick.len()).unwrap(), quick);
        assert_eq!(packed(text.as_bytes(), small.len()).unwrap(), small, "slower, and it fits");
        assert!(
            matches!(packed(text.as_bytes(), small.len() - 1), Err(Unpackable::TooLarge(size)) if size == small.len())
        );
    }
}
