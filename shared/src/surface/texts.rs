//! The texts of a packed surface.

use std::fmt::Formatter;

use serde::de::{Error, Visitor};

use super::Text;
use super::pack::Unreadable;

/// A text as it is written: itself, or the place (from 1) of an earlier one whose [`end`] it is.
pub(super) enum Piece {
    Text(Text),
    EndOf(usize),
}

/// What a step of a path ends with, behind its last separator: the name of what stands there. Texts that are no steps have none.
pub(super) fn end(text: &str) -> Option<&str> {
    if !text.starts_with(['.', '/']) || text.len() > 200 {
        return None;
    }
    text.rsplit(['.', '/']).next().filter(|end| !end.is_empty())
}

/// The texts that the pieces stand for. An end is taken once, so that all of them take no more memory than the bytes that they come from.
pub(super) fn whole(pieces: Vec<Piece>) -> Result<Vec<Text>, Unreadable> {
    let mut texts: Vec<Text> = Vec::with_capacity(pieces.len());
    let mut is_taken = vec![false; pieces.len()];
    for piece in pieces {
        texts.push(match piece {
            Piece::Text(text) => text,
            Piece::EndOf(place) => {
                let place = place.checked_sub(1).ok_or(Unreadable::Damaged)?;
                let taken = is_taken.get_mut(place).ok_or(Unreadable::Damaged)?;
                if std::mem::replace(taken, true) {
                    return Err(Unreadable::Damaged);
                }
                texts.get(place).and_then(|text| end(text)).ok_or(Unreadable::Damaged)?.into()
            }
        });
    }
    Ok(texts)
}

impl<'de> serde::Deserialize<'de> for Piece {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pieces;

        impl Visitor<'_> for Pieces {
            type Value = Piece;

            fn expecting(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
                out.write_str("a text or the place of one")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Piece, E> {
                Ok(Piece::Text(text.into()))
            }

            fn visit_u64<E: Error>(self, place: u64) -> Result<Piece, E> {
                usize::try_from(place).map(Piece::EndOf).map_err(|_| E::custom("no place"))
            }
        }

        deserializer.deserialize_any(Pieces)
    }
}
