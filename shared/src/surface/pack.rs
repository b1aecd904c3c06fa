//! A surface as bytes.
//!
//! One line of JSON: `{"v":2,"digest":"…","texts":[…],"tables":[…]}`. `texts` holds every text once, in the order of first use; a number in it stands for
//! the [end](end) of the text at that place (a field's name is the end of its path's step). `tables` are the surface's fields as lists of lists of numbers:
//! a structure is the list of its fields, without those at its end that are empty (0 or `[]`); an alternative begins with its number; a text is 0 (empty),
//! 1 (the next of `texts`) or its place in `texts` from 2; an element is 0 (none) or, from 1, its zigzag distance from the one after the last that was
//! written; positions are written as the difference to the one before.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use super::packed::{Packed, Sink};
use super::texts::{Piece, end, whole};
use super::value::quote;
use super::{Digest, ElementId, Facet, Format, Position, SchemeId, ServerId, Surface, Text, TypeId};
use foldhash::HashMap;

/// Bytes of a packed surface that are read.
pub const PACKED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes that a surface may take in memory when it is read: a short text can stand for many empty parts.
const MEMORY_BYTES_MAX: usize = 256 * 1024 * 1024;
/// The version of the form.
const VERSION: u64 = 2;

/// Why a packed surface cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is written in another version of the form.
    #[error("the surface is written in a version that is not known here")]
    Version,
    /// It is larger than [`PACKED_BYTES_MAX`].
    #[error("the surface has more than {PACKED_BYTES_MAX} bytes")]
    TooLarge,
    /// It is cut, changed, or no surface.
    #[error("the surface is damaged")]
    Damaged,
}

#[derive(serde::Deserialize)]
struct Packet<'a> {
    v: u64,
    #[serde(default)]
    digest: String,
    #[serde(default)]
    texts: Vec<Piece>,
    #[serde(default, borrow)]
    tables: Option<&'a serde_json::value::RawValue>,
}

impl Surface {
    /// The surface as bytes: UTF-8, one line, the same for the same surface.
    #[must_use]
    pub fn pack(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        let sizes = [self.types.len(), self.schemes.len(), self.servers.len(), self.positions.len()];
        let open = writer.open();
        writer.part(&self.format);
        for words in [&self.format_version, &self.title, &self.api_version] {
            writer.part(words);
        }
        writer.part(&self.files);
        writer.part(&sizes.map(|size| u64::try_from(size).unwrap_or(u64::MAX)).to_vec());
        writer.part(&differences(&self.positions));
        writer.part(
            &self.facets.iter().map(|(id, facets)| Facets { id: *id, facets: facets.clone() }).collect::<Vec<_>>(),
        );
        writer.part(&self.servers);
        writer.part(&self.schemes);
        writer.part(&self.operations);
        writer.part(&self.types);
        writer.close(open);
        let mut packed = format!("{{\"v\":{VERSION},\"digest\":\"{}\",\"texts\":[", self.digest);
        for (place, text) in writer.texts.iter().enumerate() {
            if place > 0 {
                packed.push(',');
            }
            match text {
                Piece::Text(text) => quote(text, &mut packed),
                Piece::EndOf(place) => {
                    // Writing to a `String` cannot fail.
                    let _ = write!(packed, "{place}");
                }
            }
        }
        packed.push_str("],\"tables\":");
        packed.push_str(&writer.out);
        packed.push('}');
        packed.into_bytes()
    }

    /// Reads what [`pack`](Self::pack) wrote. Whatever the bytes are, it takes memory in proportion to them, and every number in the result names something.
    ///
    /// # Errors
    /// Another version, too large, or damaged.
    pub fn unpack(bytes: &[u8]) -> Result<Self, Unreadable> {
        if bytes.len() > PACKED_BYTES_MAX {
            return Err(Unreadable::TooLarge);
        }
        let packet: Packet<'_> = serde_json::from_slice(bytes).map_err(|_| Unreadable::Damaged)?;
        if packet.v != VERSION {
            return Err(Unreadable::Version);
        }
        let tables = packet.tables.ok_or(Unreadable::Damaged)?.get();
        let mut reader = Reader {
            bytes: tables.as_bytes(),
            at: 0,
            texts: whole(packet.texts)?,
            fresh: 0,
            last_element: 0,
            empty: "".into(),
            sizes: [0; 4],
            absent: 0,
            room: MEMORY_BYTES_MAX,
        };
        let reader = &mut reader;
        let open = reader.open()?;
        let format = Format::read(reader)?;
        let (format_version, title, api_version) =
            (Packed::read(reader)?, Packed::read(reader)?, Packed::read(reader)?);
        let files = Packed::read(reader)?;
        let sizes: Vec<u64> = Packed::read(reader)?;
        reader.sizes = sizes.try_into().map_err(|_| Unreadable::Damaged)?;
        let positions = sums(Packed::read(reader)?, reader.sizes[3])?;
        let facets: Vec<Facets> = Packed::read(reader)?;
        let (servers, schemes) = (Packed::read(reader)?, Packed::read(reader)?);
        let (operations, types) = (Packed::read(reader)?, Packed::read(reader)?);
        reader.close(open)?;
        let surface = Self {
            format,
            format_version,
            title,
            api_version,
            files,
            operations,
            types,
            schemes,
            servers,
            positions,
            facets: facets.into_iter().map(|facets| (facets.id, facets.facets)).collect::<BTreeMap<_, _>>(),
            digest: Digest::parse(&packet.digest).ok_or(Unreadable::Damaged)?,
        };
        let sizes = [surface.types.len(), surface.schemes.len(), surface.servers.len(), surface.positions.len()];
        let whole =
            reader.at == reader.bytes.len() && sizes.iter().zip(reader.sizes).all(|(have, said)| *have as u64 == said);
        if whole { Ok(surface) } else { Err(Unreadable::Damaged) }
    }
}

/// The facets of an element.
struct Facets {
    id: ElementId,
    facets: Vec<Facet>,
}

impl Packed for Facets {
    fn write<S: Sink>(&self, sink: &mut S) {
        let open = sink.open();
        sink.part(&self.id);
        sink.part(&self.facets);
        sink.close(open);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        let open = reader.open()?;
        let facets = Self { id: Packed::read(reader)?, facets: Packed::read(reader)? };
        reader.close(open)?;
        Ok(facets)
    }
}

/// A number that may be negative as one that is not: 0, -1, 1, -2 … become 0, 1, 2, 3 …
fn zigzag(difference: i64) -> u64 {
    (difference.wrapping_shl(1) ^ (difference >> 63)).cast_unsigned()
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

/// A number moved by what [`zigzag`] wrote.
fn moved(from: u32, by: u64) -> Result<u32, Unreadable> {
    let sum = i64::from(from).checked_add(unzigzag(by));
    sum.and_then(|sum| u32::try_from(sum).ok()).ok_or(Unreadable::Damaged)
}

/// A position by its distance from the one before: line and column zigzag; the parent 0 for the same one, otherwise by how much older it is.
struct Distance {
    step: Text,
    line: u64,
    parent: u32,
    column: u64,
    file: u32,
}

impl Packed for Distance {
    fn write<S: Sink>(&self, sink: &mut S) {
        let open = sink.open();
        sink.part(&self.step);
        sink.part(&self.line);
        sink.part(&self.parent);
        sink.part(&self.column);
        sink.part(&self.file);
        sink.close(open);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        let open = reader.open()?;
        let (step, line, parent) = (Packed::read(reader)?, Packed::read(reader)?, Packed::read(reader)?);
        let read = Self { step, line, parent, column: Packed::read(reader)?, file: Packed::read(reader)? };
        reader.close(open)?;
        Ok(read)
    }
}

fn differences(positions: &[Position]) -> Vec<Distance> {
    let mut before = &Position::default();
    (0_u32..)
        .zip(positions)
        .map(|(id, position)| {
            let far = |new: u32, old: u32| zigzag(i64::from(new) - i64::from(old));
            let distance = Distance {
                step: Arc::clone(&position.step),
                line: far(position.line, before.line),
                parent: if position.parent == before.parent { 0 } else { id.wrapping_sub(position.parent.0) },
                column: far(position.column, before.column),
                file: position.file,
            };
            before = position;
            distance
        })
        .collect()
}

fn sums(distances: Vec<Distance>, count: u64) -> Result<Vec<Position>, Unreadable> {
    if distances.len() as u64 != count {
        return Err(Unreadable::Damaged);
    }
    let (mut line, mut column, mut parent) = (0, 0, 0);
    (0_u32..)
        .zip(distances)
        .map(|(id, found)| {
            (line, column) = (moved(line, found.line)?, moved(column, found.column)?);
            if found.parent > 0 {
                parent = id.checked_sub(found.parent).ok_or(Unreadable::Damaged)?;
            }
            Ok(Position { file: found.file, line, column, parent: ElementId(parent), step: found.step })
        })
        .collect()
}

/// Writes parts as lists of numbers.
#[derive(Default)]
struct Writer {
    out: String,
    texts: Vec<Piece>,
    places: HashMap<Text, u64>,
    /// The ends of the texts that have one, by what they are.
    ends: HashMap<Text, usize>,
    last_element: u32,
    /// Where the last part ended that is not empty.
    kept: usize,
}

impl Writer {
    fn separate(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with('[') {
            self.out.push(',');
        }
    }
}

impl Sink for Writer {
    fn number(&mut self, number: u64) {
        self.separate();
        if number < 10 {
            self.out.push(char::from(b'0' + u8::try_from(number).unwrap_or_default()));
        } else {
            // Writing to a `String` cannot fail.
            let _ = write!(self.out, "{number}");
        }
        if number != 0 {
            self.kept = self.out.len();
        }
    }

    fn text(&mut self, text: &Text) {
        if text.is_empty() {
            self.number(0);
        } else if let Some(place) = self.places.get(text) {
            self.number(*place);
        } else {
            let place = self.texts.len() + 1;
            if let Some(end) = end(text) {
                self.ends.entry(end.into()).or_insert(place);
            }
            let piece = match self.ends.get(text) {
                // A number of at most seven digits: nothing is won with a name of a letter or two.
                Some(place) if text.len() > 4 => Piece::EndOf(*place),
                _ => Piece::Text(Arc::clone(text)),
            };
            self.texts.push(piece);
            self.places.insert(Arc::clone(text), u64::try_from(place).unwrap_or(u64::MAX).saturating_add(1));
            self.number(1);
        }
    }

    fn words(&mut self, text: &Text) {
        self.text(text);
    }

    fn element(&mut self, id: ElementId) {
        if id == ElementId::NONE {
            self.number(0);
        } else {
            self.number(zigzag(i64::from(id.0) - i64::from(self.last_element) - 1) + 1);
            self.last_element = id.0;
        }
    }

    fn type_id(&mut self, id: TypeId) {
        self.number(u64::from(id.0));
    }

    fn scheme(&mut self, id: SchemeId) {
        self.number(u64::from(id.0));
    }

    fn server(&mut self, id: ServerId) {
        self.number(u64::from(id.0));
    }

    fn list<T: Packed>(&mut self, items: &[T], _: bool) {
        self.separate();
        self.out.push('[');
        for item in items {
            item.write(self);
        }
        self.out.push(']');
        if !items.is_empty() {
            self.kept = self.out.len();
        }
    }

    fn open(&mut self) -> usize {
        self.separate();
        self.out.push('[');
        let open = self.out.len();
        self.kept = self.kept.min(open);
        open
    }

    fn part<T: Packed>(&mut self, part: &T) {
        part.write(self);
    }

    fn close(&mut self, open: usize) {
        let filled = self.kept > open;
        self.out.truncate(self.kept.max(open));
        self.out.push(']');
        if filled {
            self.kept = self.out.len();
        }
    }
}

/// Reads what [`Writer`] wrote.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    texts: Vec<Text>,
    /// How many of the texts were met.
    fresh: usize,
    last_element: u32,
    empty: Text,
    /// How many types, schemes, servers and elements there are.
    sizes: [u64; 4],
    /// How many structures are open that were left out, being empty.
    absent: usize,
    /// Bytes that lists may still take.
    room: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Whether the open structure has another part; it stands at its beginning then.
    fn more(&mut self) -> Result<bool, Unreadable> {
        if self.absent > 0 {
            return Ok(false);
        }
        match self.peek() {
            Some(b']') => Ok(false),
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(_) => Ok(true),
            None => Err(Unreadable::Damaged),
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Unreadable> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(Unreadable::Damaged)
        }
    }

    pub(super) fn number(&mut self) -> Result<u64, Unreadable> {
        if !self.more()? {
            return Ok(0);
        }
        let start = self.at;
        let mut number: u64 = 0;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            number = number
                .checked_mul(10)
                .and_then(|number| number.checked_add(u64::from(digit - b'0')))
                .ok_or(Unreadable::Damaged)?;
            self.at += 1;
        }
        if self.at == start { Err(Unreadable::Damaged) } else { Ok(number) }
    }

    pub(super) fn text(&mut self) -> Result<Text, Unreadable> {
        let place = match self.number()? {
            0 => return Ok(Arc::clone(&self.empty)),
            1 => {
                self.fresh += 1;
                Some(self.fresh - 1)
            }
            place => usize::try_from(place - 2).ok(),
        };
        place.and_then(|place| self.texts.get(place)).cloned().ok_or(Unreadable::Damaged)
    }

    /// A number that names something of which there are so many.
    fn named(&mut self, size: u64) -> Result<u32, Unreadable> {
        let number = self.number()?;
        if number >= size {
            return Err(Unreadable::Damaged);
        }
        u32::try_from(number).map_err(|_| Unreadable::Damaged)
    }

    pub(super) fn type_id(&mut self) -> Result<TypeId, Unreadable> {
        self.named(self.sizes[0]).map(TypeId)
    }

    pub(super) fn scheme(&mut self) -> Result<SchemeId, Unreadable> {
        self.named(self.sizes[1]).map(SchemeId)
    }

    pub(super) fn server(&mut self) -> Result<ServerId, Unreadable> {
        self.named(self.sizes[2]).map(ServerId)
    }

    pub(super) fn element(&mut self) -> Result<ElementId, Unreadable> {
        let Some(distance) = self.number()?.checked_sub(1) else { return Ok(ElementId::NONE) };
        let after = self.last_element.checked_add(1).ok_or(Unreadable::Damaged)?;
        let id = moved(after, distance)?;
        if u64::from(id) >= self.sizes[3] {
            return Err(Unreadable::Damaged);
        }
        self.last_element = id;
        Ok(ElementId(id))
    }

    pub(super) fn list<T: Packed>(&mut self) -> Result<Vec<T>, Unreadable> {
        let mut items = Vec::new();
        if !self.more()? {
            return Ok(items);
        }
        self.expect(b'[')?;
        loop {
            match self.peek() {
                Some(b']') => break,
                Some(_) => {
                    self.room = self.room.checked_sub(size_of::<T>()).ok_or(Unreadable::TooLarge)?;
                    items.push(T::read(self)?);
                }
                None => return Err(Unreadable::Damaged),
            }
        }
        self.expect(b']')?;
        Ok(items)
    }

    /// Opens a structure. What is not there is read as empty.
    pub(super) fn open(&mut self) -> Result<bool, Unreadable> {
        if self.at == 0 || self.more()? {
            self.expect(b'[')?;
            Ok(true)
        } else {
            self.absent += 1;
            Ok(false)
        }
    }

    pub(super) fn close(&mut self, is_there: bool) -> Result<(), Unreadable> {
        if is_there {
            self.expect(b']')
        } else {
            self.absent = self.absent.saturating_sub(1);
            Ok(())
        }
    }
}
