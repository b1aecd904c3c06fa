//! A surface as bytes.
//!
//! One line of JSON: `{"v":1,"digest":"…","texts":[…],"tables":[…]}`. `texts` holds every text once, in the order of first use. `tables` are the
//! surface's fields as lists of lists of numbers: a structure is the list of its fields, without those at its end that are empty (0 or `[]`); a text is
//! its place in `texts` from 1 (0: empty); an alternative begins with its number; positions are written as the difference to the one before.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;

use super::packed::{Packed, Sink};
use super::value::quote;
use super::{Digest, ElementId, Facet, Format, Position, SchemeId, ServerId, Surface, Text, TypeId};

/// Bytes of a packed surface that are read.
pub const PACKED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes that a surface may take in memory when it is read: a short text can stand for many empty parts.
const MEMORY_BYTES_MAX: usize = 256 * 1024 * 1024;
/// The version of the form.
const VERSION: u64 = 1;

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
    texts: Vec<Text>,
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
            quote(text, &mut packed);
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
            texts: packet.texts,
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

/// A part as a text that is the same for equal parts only.
pub(super) fn key<T: Packed>(part: &T) -> String {
    let mut writer = Writer::default();
    part.write(&mut writer);
    // Places in `texts` are in the order of use, so the texts belong to the key.
    for text in writer.texts {
        writer.out.push('\n');
        writer.out.push_str(&text);
    }
    writer.out
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

/// A position by its distance from the one before: the line zigzag (0, -1, 1, -2 …), the parent by how much older it is.
struct Step {
    position: Position,
}

impl Packed for Step {
    fn write<S: Sink>(&self, sink: &mut S) {
        let open = sink.open();
        let Position { file, line, column, parent, step } = &self.position;
        sink.part(line);
        sink.part(column);
        sink.part(&parent.0);
        sink.part(step);
        sink.part(file);
        sink.close(open);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        let open = reader.open()?;
        let (line, column, parent) = (Packed::read(reader)?, Packed::read(reader)?, ElementId(Packed::read(reader)?));
        let (step, file) = (Packed::read(reader)?, Packed::read(reader)?);
        reader.close(open)?;
        Ok(Self { position: Position { file, line, column, parent, step } })
    }
}

fn differences(positions: &[Position]) -> Vec<Step> {
    let mut before = 0_u32;
    (0_u32..)
        .zip(positions)
        .map(|(id, position)| {
            let difference = position.line.wrapping_sub(before).cast_signed();
            before = position.line;
            let line = (difference.wrapping_shl(1) ^ (difference >> 31)).cast_unsigned();
            let parent = if position.parent == ElementId::NONE { 0 } else { id.wrapping_sub(position.parent.0) };
            Step { position: Position { line, parent: ElementId(parent), ..position.clone() } }
        })
        .collect()
}

fn sums(steps: Vec<Step>, count: u64) -> Result<Vec<Position>, Unreadable> {
    if steps.len() as u64 != count {
        return Err(Unreadable::Damaged);
    }
    let mut before = 0_u32;
    (0_u32..)
        .zip(steps)
        .map(|(id, Step { position })| {
            let difference = (position.line >> 1) ^ 0_u32.wrapping_sub(position.line & 1);
            before = before.wrapping_add(difference);
            let parent = match position.parent.0 {
                0 => 0,
                back => id.checked_sub(back).ok_or(Unreadable::Damaged)?,
            };
            Ok(Position { line: before, parent: ElementId(parent), ..position })
        })
        .collect()
}

/// Writes parts as lists of numbers.
#[derive(Default)]
struct Writer {
    out: String,
    texts: Vec<Text>,
    places: HashMap<Text, u64>,
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
        // Writing to a `String` cannot fail.
        let _ = write!(self.out, "{number}");
        if number != 0 {
            self.kept = self.out.len();
        }
    }

    fn text(&mut self, text: &Text) {
        let place = if text.is_empty() {
            0
        } else if let Some(place) = self.places.get(text) {
            *place
        } else {
            self.texts.push(Arc::clone(text));
            let place = u64::try_from(self.texts.len()).unwrap_or(u64::MAX);
            self.places.insert(Arc::clone(text), place);
            place
        };
        self.number(place);
    }

    fn words(&mut self, text: &Text) {
        self.text(text);
    }

    fn element(&mut self, id: ElementId) {
        self.number(u64::from(id.0));
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
        match self.number()?.checked_sub(1) {
            None => Ok(Arc::clone(&self.empty)),
            Some(place) => {
                usize::try_from(place).ok().and_then(|place| self.texts.get(place)).cloned().ok_or(Unreadable::Damaged)
            }
        }
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
        self.named(self.sizes[3]).map(ElementId)
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
