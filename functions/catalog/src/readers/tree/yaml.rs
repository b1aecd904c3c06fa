//! YAML 1.2 by its events, with positions. Aliases stay aliases; tags beyond the core schema, and keys that are no scalars
//! are refused, because what is read here is what JSON can say; and a second document, where one is meant.

use foldhash::HashMap;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use super::{DEPTH_MAX, NodeId, Piece, Position, Refused, Slot, Stored, Tree, narrow, too_deep};

/// Aliases in one document: more than any written by hand, few enough to look at one by one.
const ALIASES_MAX: usize = 100_000;
/// Bytes of a text that an alias may put in as a key: each such key is a copy.
const ALIASED_KEY_MAX: usize = 1_000;

enum Open {
    List { position: Position, anchor: usize, items: Vec<NodeId> },
    Map { position: Position, anchor: usize, slots: Vec<Slot>, key: Option<(Piece, Position)> },
}

struct Reader<'a> {
    tree: Tree<'a>,
    open: Vec<Open>,
    anchors: HashMap<usize, NodeId>,
    aliases: usize,
    root: Option<NodeId>,
}

/// Reads a YAML text (without byte order mark) of one document into a tree.
pub(crate) fn read(text: &str) -> Result<(Tree<'_>, NodeId), Refused> {
    let second = "The file holds more than one YAML document; one API is one document.";
    let (tree, roots) = read_documents(text, 1, second)?;
    let root = roots.first().ok_or_else(|| Refused::new("empty", "The document is empty.".to_owned()))?;
    Ok((tree, *root))
}

/// Reads the documents of a YAML text, at most so many: `more` says what is wrong with the next. All of them are in one tree, so that
/// its limits hold for all of them together; anchors end with their document.
pub(crate) fn read_documents<'a>(text: &'a str, most: usize, more: &str) -> Result<(Tree<'a>, Vec<NodeId>), Refused> {
    let mut reader =
        Reader { tree: Tree::of(text), open: Vec::new(), anchors: HashMap::default(), aliases: 0, root: None };
    let mut parser = Parser::new_from_str(text);
    let (mut documents, mut roots) = (0, Vec::new());
    while let Some(next) = parser.next_event() {
        let (event, span) = next.map_err(|error| {
            Refused::new("syntax", format!("Not YAML: {}.", error.info().trim_end_matches('.')))
                .here(at(error.marker()))
        })?;
        let position = at(&span.start);
        match event {
            Event::DocumentStart(_) => {
                documents += 1;
                if documents > most {
                    return Err(Refused::new("more-documents", more.to_owned()).here(position));
                }
                reader.anchors.clear();
            }
            Event::DocumentEnd => roots.extend(reader.root.take()),
            Event::Alias(anchor) => reader.alias(anchor, position)?,
            Event::Scalar(value, style, anchor, tag) => {
                reader.scalar(&value, style, anchor, tag.as_deref(), position)?;
            }
            Event::SequenceStart(anchor, _) => {
                reader.open(Open::List { position, anchor, items: Vec::new() }, position)?;
            }
            Event::MappingStart(anchor, _) => {
                reader.open(Open::Map { position, anchor, slots: Vec::new(), key: None }, position)?;
            }
            Event::SequenceEnd | Event::MappingEnd => reader.close()?,
            Event::Nothing | Event::StreamStart | Event::StreamEnd => {}
        }
    }
    // Whatever was complete when the text ended.
    roots.extend(reader.root);
    Ok((reader.tree, roots))
}

fn at(marker: &Marker) -> Position {
    Position { line: narrow(marker.line()).max(1), column: narrow(marker.col()).saturating_add(1) }
}

impl Reader<'_> {
    fn open(&mut self, open: Open, position: Position) -> Result<(), Refused> {
        if self.open.len() >= DEPTH_MAX {
            return Err(too_deep(position));
        }
        if let Some(Open::Map { key: None, .. }) = self.open.last() {
            return Err(
                Refused::new("key", "A key is a list or a map; only text is read as a key.".to_owned()).here(position)
            );
        }
        self.open.push(open);
        Ok(())
    }

    fn close(&mut self) -> Result<(), Refused> {
        match self.open.pop() {
            Some(Open::List { position, anchor, items }) => {
                let id = self.tree.list(&items, position)?;
                self.value(id, anchor);
            }
            Some(Open::Map { position, anchor, slots, .. }) => {
                let id = self.tree.map(&slots, position)?;
                self.value(id, anchor);
            }
            None => {}
        }
        Ok(())
    }

    fn alias(&mut self, anchor: usize, position: Position) -> Result<(), Refused> {
        self.aliases += 1;
        if self.aliases > ALIASES_MAX {
            return Err(Refused::new(
                "too-many-aliases",
                format!("The document has more than {ALIASES_MAX} aliases, which is the most that is read."),
            )
            .here(position));
        }
        let Some(target) = self.anchors.get(&anchor).copied() else {
            return Err(Refused::new("alias", "The alias stands inside of what it names.".to_owned()).here(position));
        };
        if let Some(Open::Map { key: key @ None, .. }) = self.open.last_mut() {
            let Some(text) = self.tree.loose_text(target) else {
                return Err(
                    Refused::new("key", "A key is an alias of something that is not text.".to_owned()).here(position)
                );
            };
            if text.len() > ALIASED_KEY_MAX {
                return Err(Refused::new(
                    "key",
                    format!("A key is an alias of a text of more than {ALIASED_KEY_MAX} bytes: write the key out."),
                )
                .here(position));
            }
            let text = text.to_owned();
            *key = Some((self.tree.keep(&text), position));
            return Ok(());
        }
        // Straight to the end of a chain, so that following an alias is one step.
        let target = self.tree.target(target);
        let id = self.tree.alias(target, position)?;
        self.value(id, 0);
        Ok(())
    }

    fn scalar(
        &mut self,
        value: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        position: Position,
    ) -> Result<(), Refused> {
        let piece = self.tree.keep(value);
        let scalar = resolve(value, piece, style, tag);
        if let Some(Open::Map { key: key @ None, .. }) = self.open.last_mut() {
            if matches!(scalar, Stored::Null) {
                return Err(Refused::new("key", "A key is null; only text is read as a key.".to_owned()).here(position));
            }
            let text = match scalar {
                Stored::Bool(value) => self.tree.keep(if value { "true" } else { "false" }),
                _ => piece,
            };
            if anchor != 0 {
                let id = self.tree.add(Stored::String(text), position)?;
                self.anchors.insert(anchor, id);
            }
            *key = Some((text, position));
            return Ok(());
        }
        let id = self.tree.add(scalar, position)?;
        self.value(id, anchor);
        Ok(())
    }

    /// A value is complete: it goes to what is open around it.
    fn value(&mut self, id: NodeId, anchor: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, id);
        }
        match self.open.last_mut() {
            None => self.root = self.root.or(Some(id)),
            Some(Open::List { items, .. }) => items.push(id),
            Some(Open::Map { slots, key, .. }) => {
                if let Some((key, position)) = key.take() {
                    slots.push(Slot { key, position, value: id });
                }
            }
        }
    }
}

/// A scalar by the core schema of YAML 1.2 (<https://yaml.org/spec/1.2.2/#103-core-schema>).
fn resolve(value: &str, piece: Piece, style: ScalarStyle, tag: Option<&Tag>) -> Stored {
    if let Some(tag) = tag {
        if !tag.is_yaml_core_schema() || tag.suffix == "str" {
            return Stored::String(piece);
        }
    } else if style != ScalarStyle::Plain {
        return Stored::String(piece);
    }
    match value {
        "" | "~" | "null" | "Null" | "NULL" => Stored::Null,
        "true" | "True" | "TRUE" => Stored::Bool(true),
        "false" | "False" | "FALSE" => Stored::Bool(false),
        text if is_number(text) => Stored::Number(piece),
        _ => Stored::String(piece),
    }
}

fn is_number(text: &str) -> bool {
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return false;
    }
    let based = |prefix: &str, base| {
        text.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_digit(base)))
    };
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF")
        || matches!(text, ".nan" | ".NaN" | ".NAN")
        || based("0o", 8)
        || based("0x", 16)
    {
        return true;
    }
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).map_or((unsigned, None), |(m, e)| (m, Some(e)));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|exponent| {
            let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            !exponent.is_empty() && digits(exponent)
        })
}
