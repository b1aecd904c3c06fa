//! Archives that are wrong in the ways in which archives are: names that lead out, links, entries twice, checksums and sizes that lie.

use std::io::{Cursor, Write as _};

use crate::random::Random;

const NAMES: [&str; 20] = [
    "openapi.json",
    "api/openapi.yaml",
    "schema.graphql",
    "a.proto",
    "b/c.proto",
    "README.md",
    "../out.json",
    "a/../../out.json",
    "/etc/passwd",
    "C:\\windows\\a.json",
    "a\\b.json",
    "",
    ".",
    "a//b.json",
    "./a.json",
    "__MACOSX/._a.json",
    ".DS_Store",
    "a/",
    "nul\0byte.json",
    "é/日本.yaml",
];

/// An archive of some documents.
pub fn build(documents: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut entries = Vec::new();
    for _ in 0..=random.near(6) {
        let name = if random.one_in(20) { "x/".repeat(300) } else { (*random.choose(&NAMES)).to_owned() };
        entries.push((name, random.choose(documents).clone()));
    }
    if random.one_in(2) { zip(&entries, random) } else { tar(&entries, random) }
}

fn zip(entries: &[(String, Vec<u8>)], random: &mut Random) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        let method = if random.one_in(3) { zip::CompressionMethod::Stored } else { zip::CompressionMethod::Deflated };
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        // What the writer refuses (a name twice) is left out.
        let _made = match random.below(16) {
            0 => writer.add_symlink(name.clone(), "a.json", options),
            1 => writer.add_directory(name.clone(), options),
            _ => writer.start_file(name.clone(), options).and_then(|()| Ok(writer.write_all(bytes)?)),
        };
    }
    writer.finish().map(Cursor::into_inner).unwrap_or_default()
}

fn tar(entries: &[(String, Vec<u8>)], random: &mut Random) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in entries {
        let mut header = if random.one_in(2) { tar::Header::new_ustar() } else { tar::Header::new_gnu() };
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        if random.one_in(8) {
            header.set_entry_type(tar::EntryType::new(*random.choose(b"01234567xgLKSV")));
        }
        // The library refuses names that lead out; others do not.
        let place = &mut header.as_old_mut().name;
        let length = name.len().min(place.len());
        place[..length].copy_from_slice(&name.as_bytes()[..length]);
        header.set_cksum();
        let _made = builder.append(&header, &bytes[..]);
    }
    builder.into_inner().unwrap_or_default()
}

/// Mends the checksums of a tar file's headers, so that a change inside is not found at the door.
pub fn mend(bytes: &mut [u8]) {
    if bytes.get(257..262) != Some(b"ustar") {
        return;
    }
    for block in bytes.chunks_mut(512).filter(|block| block.len() == 512 && block[257..262] == *b"ustar") {
        let sum: u32 = block
            .iter()
            .enumerate()
            .map(|(at, byte)| u32::from(if (148..156).contains(&at) { b' ' } else { *byte }))
            .sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tar_file_that_was_changed_and_mended_is_read_again() {
        let mut random = Random::new(1);
        let mut bytes = tar(&[("a.graphql".to_owned(), b"type Query { a: Int }".to_vec())], &mut random);
        let read = |bytes: &[u8]| catalog::upload::read(bytes, catalog::upload::Hint::default());
        assert!(read(&bytes).is_ok());
        bytes[100] ^= 1;
        assert_eq!(read(&bytes).unwrap_err().code, "archive");
        mend(&mut bytes);
        assert!(read(&bytes).is_ok());
    }
}
