//! Archives: zip and tar. Read in memory, entry by entry, and never written anywhere; what points outside is refused rather than left out.

use std::io::{Cursor, Read};

use crate::readers::{FILES_MAX, Files, Refused, UPLOAD_BYTES_MAX, quote};
use crate::upload::Syntax;

/// Characters of a path.
const PATH_MAX: usize = 500;
/// How many times larger than packed the files of a zip may be, beyond the first megabyte. Documents shrink to a twentieth.
const RATIO_MAX: usize = 200;
const RATIO_FREE_BYTES: usize = 1024 * 1024;

/// What kind of archive these bytes are, by how they begin.
pub(super) fn kind(bytes: &[u8]) -> Option<Syntax> {
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        Some(Syntax::Zip)
    } else if bytes.get(257..262) == Some(b"ustar") {
        Some(Syntax::Tar)
    } else {
        None
    }
}

/// The files of an archive.
pub(super) fn open(bytes: &[u8], kind: Syntax) -> Result<Files, Refused> {
    let mut unpacked = Unpacked { files: Files::default(), bytes: 0, packed: bytes.len() };
    if kind == Syntax::Zip {
        zip(bytes, &mut unpacked)?
    } else {
        tar(bytes, &mut unpacked)?
    }
    if unpacked.files.is_empty() {
        return Err(Refused::new("empty", "The archive has no files.".to_owned()));
    }
    Ok(unpacked.files)
}

fn damaged(cause: &impl std::fmt::Display) -> Refused {
    Refused::new("archive", format!("The archive cannot be read: {cause}."))
}

fn zip(bytes: &[u8], unpacked: &mut Unpacked) -> Result<(), Refused> {
    let mut archive = ::zip::ZipArchive::new(Cursor::new(bytes)).map_err(|error| damaged(&error))?;
    unpacked.check_count(archive.len())?;
    for place in 0..archive.len() {
        let entry = archive.by_index(place).map_err(|error| damaged(&error))?;
        let name = entry.name().map_err(|error| damaged(&error))?.into_owned();
        if entry.is_symlink() {
            return Err(link(&name));
        }
        if entry.is_dir() {
            unpacked.path(&name)?;
        } else {
            unpacked.add(&name, entry)?;
        }
    }
    Ok(())
}

fn tar(bytes: &[u8], unpacked: &mut Unpacked) -> Result<(), Refused> {
    let mut archive = ::tar::Archive::new(bytes);
    for entry in archive.entries().map_err(|error| damaged(&error))? {
        let entry = entry.map_err(|error| damaged(&error))?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            unpacked.path(&name)?;
        } else if kind.is_file() || kind.is_contiguous() {
            unpacked.add(&name, entry)?;
        } else if kind.is_pax_global_extensions() {
            // Words of the program that made it.
        } else {
            return Err(link(&name));
        }
    }
    Ok(())
}

fn link(name: &str) -> Refused {
    let message = format!("The archive's entry {} is a link or a device; only files are read.", quote(name));
    Refused::new("archive-entry", message)
}

struct Unpacked {
    files: Files,
    bytes: usize,
    packed: usize,
}

impl Unpacked {
    fn check_count(&self, count: usize) -> Result<(), Refused> {
        if count <= FILES_MAX {
            return Ok(());
        }
        let message = format!("The archive has more than {FILES_MAX} entries, which is the most that is read.");
        Err(Refused::new("too-many-files", message))
    }

    /// A path as the readers know it.
    fn path(&self, name: &str) -> Result<String, Refused> {
        let refused =
            |why: &str| Err(Refused::new("archive-entry", format!("The archive's entry {} {why}.", quote(name))));
        if name.chars().count() > PATH_MAX {
            return refused("has a path that is too long");
        }
        if name.starts_with('/') || name.contains(['\\', '\0', ':']) {
            return refused("has a path that is absolute, or of another system");
        }
        let parts: Vec<&str> = name.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        if parts.contains(&"..") {
            return refused("leads out of the archive");
        }
        Ok(parts.join("/"))
    }

    fn add(&mut self, name: &str, content: impl Read) -> Result<(), Refused> {
        let path = self.path(name)?;
        self.check_count(self.files.len() + 1)?;
        let room = UPLOAD_BYTES_MAX.saturating_sub(self.bytes);
        let mut bytes = Vec::new();
        let limit = u64::try_from(room).unwrap_or(u64::MAX).saturating_add(1);
        content.take(limit).read_to_end(&mut bytes).map_err(|error| damaged(&error))?;
        self.bytes += bytes.len();
        if bytes.len() > room {
            let message =
                format!("The archive's files have more than {UPLOAD_BYTES_MAX} bytes, which is the most that is read.");
            return Err(Refused::new("too-large", message));
        }
        if self.bytes > RATIO_FREE_BYTES && self.bytes / RATIO_MAX > self.packed {
            let message = format!("The archive's files are more than {RATIO_MAX} times as large as the archive.");
            return Err(Refused::new("archive-ratio", message));
        }
        // What macOS adds to every archive.
        if path.starts_with("__MACOSX/") || path.ends_with(".DS_Store") {
            return Ok(());
        }
        if path.is_empty() || self.files.get(&path).is_some() {
            let message = format!("The archive has the entry {} twice, or without a name.", quote(name));
            return Err(Refused::new("archive-entry", message));
        }
        self.files.add(&path, bytes);
        Ok(())
    }
}
