//! JSON by the letter of RFC 8259, with positions. Ours, because no JSON reader keeps a position for every key, and a YAML reader
//! lets through what JSON forbids (comments, trailing commas, bare words).

use super::{DEPTH_MAX, NodeId, Piece, Position, Refused, Slot, Stored, Tree, too_deep};

/// Reads a JSON text (without byte order mark) into a tree.
pub(crate) fn read(text: &str) -> Result<(Tree<'_>, NodeId), Refused> {
    Reader { text, bytes: text.as_bytes(), at: 0, line: 1, line_start: 0, tree: Tree::of(text) }.document()
}

/// A list or map that is still open: where it stands, and from where on what is in it is kept.
#[derive(Clone, Copy)]
enum Open {
    List(Position, usize),
    Map(Position, usize),
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    line: u32,
    line_start: usize,
    tree: Tree<'a>,
}

impl<'a> Reader<'a> {
    /// One loop with stacks of its own: nesting costs no stack of the thread, and what is in a list or map is moved to the tree when it is complete.
    fn document(mut self) -> Result<(Tree<'a>, NodeId), Refused> {
        let mut open: Vec<Open> = Vec::new();
        let (mut items, mut slots): (Vec<NodeId>, Vec<Slot>) = (Vec::new(), Vec::new());
        loop {
            // A value is due.
            self.space();
            let position = self.position();
            let mut done = match self.peek() {
                Some(b'{' | b'[') if open.len() >= DEPTH_MAX => {
                    return Err(too_deep(position));
                }
                Some(b'[') => {
                    self.at += 1;
                    self.space();
                    if self.peek() == Some(b']') {
                        self.at += 1;
                        self.tree.list(&[], position)?
                    } else {
                        open.push(Open::List(position, items.len()));
                        continue;
                    }
                }
                Some(b'{') => {
                    self.at += 1;
                    self.space();
                    if self.peek() == Some(b'}') {
                        self.at += 1;
                        self.tree.map(&[], position)?
                    } else {
                        open.push(Open::Map(position, slots.len()));
                        slots.push(self.slot()?);
                        continue;
                    }
                }
                _ => {
                    let scalar = self.scalar()?;
                    self.tree.add(scalar, position)?
                }
            };
            // A value is complete: hand it to what is open around it, and close what ends here.
            loop {
                self.space();
                match open.last().copied() {
                    None => {
                        return if self.at == self.bytes.len() {
                            Ok((self.tree, done))
                        } else {
                            Err(self.unexpected("the end of the document"))
                        };
                    }
                    Some(Open::List(position, start)) => {
                        items.push(done);
                        match self.peek() {
                            Some(b',') => {
                                self.at += 1;
                                break;
                            }
                            Some(b']') => {
                                self.at += 1;
                                open.pop();
                                done = self.tree.list(items.get(start..).unwrap_or_default(), position)?;
                                items.truncate(start);
                            }
                            _ => return Err(self.unexpected("`,` or `]`")),
                        }
                    }
                    Some(Open::Map(position, start)) => {
                        if let Some(slot) = slots.last_mut() {
                            slot.value = done;
                        }
                        match self.peek() {
                            Some(b',') => {
                                self.at += 1;
                                self.space();
                                slots.push(self.slot()?);
                                break;
                            }
                            Some(b'}') => {
                                self.at += 1;
                                open.pop();
                                done = self.tree.map(slots.get(start..).unwrap_or_default(), position)?;
                                slots.truncate(start);
                            }
                            _ => return Err(self.unexpected("`,` or `}`")),
                        }
                    }
                }
            }
        }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn space(&mut self) {
        if self.peek().is_some_and(|byte| byte <= b' ') {
            self.skip_space();
        }
    }

    fn skip_space(&mut self) {
        loop {
            match self.peek() {
                Some(b' ') => self.at += spaces(self.bytes.get(self.at..).unwrap_or_default()),
                Some(b'\t' | b'\r') => self.at += 1,
                Some(b'\n') => {
                    self.at += 1;
                    self.line += 1;
                    self.line_start = self.at;
                }
                _ => return,
            }
        }
    }

    fn position(&self) -> Position {
        Position {
            line: self.line,
            column: u32::try_from(self.at - self.line_start).unwrap_or(u32::MAX).saturating_add(1),
        }
    }

    /// A refusal at the present place. Its column is in characters: paid for once, here.
    fn error(&self, code: &'static str, message: String) -> Refused {
        let column = self.text.get(self.line_start..self.at).map_or(0, |line| line.chars().count());
        Refused::new(code, message)
            .here(Position { line: self.line, column: u32::try_from(column).unwrap_or(u32::MAX).saturating_add(1) })
    }

    fn unexpected(&self, wanted: &str) -> Refused {
        match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            None => self.error("truncated", format!("The JSON document ends where {wanted} should be: it is cut off.")),
            Some(found) => {
                self.error("syntax", format!("Not JSON: {wanted} should be here, not `{}`.", found.escape_default()))
            }
        }
    }

    /// A key, whose value comes later.
    fn slot(&mut self) -> Result<Slot, Refused> {
        let position = self.position();
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("a key in double quotes"));
        }
        let key = self.string()?;
        self.space();
        if self.peek() != Some(b':') {
            return Err(self.unexpected("`:`"));
        }
        self.at += 1;
        Ok(Slot { key, position, value: NodeId::default() })
    }

    fn scalar(&mut self) -> Result<Stored, Refused> {
        match self.peek() {
            Some(b'"') => Ok(Stored::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => {
                let words = [("true", Stored::Bool(true)), ("false", Stored::Bool(false)), ("null", Stored::Null)];
                for (word, scalar) in words {
                    if self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
                        self.at += word.len();
                        return Ok(scalar);
                    }
                }
                Err(self.unexpected("a value"))
            }
        }
    }

    fn number(&mut self) -> Result<Stored, Refused> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(Stored::Number(Tree::piece(start, self.at)))
    }

    fn digits(&mut self) -> Result<(), Refused> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.unexpected("a digit")) } else { Ok(()) }
    }

    fn string(&mut self) -> Result<Piece, Refused> {
        self.at += 1;
        let mut start = self.at;
        let mut owned: Option<String> = None;
        loop {
            self.at += plain(self.bytes.get(self.at..).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    let end = self.at;
                    self.at += 1;
                    return Ok(match owned {
                        None => Tree::piece(start, end),
                        Some(mut text) => {
                            text.push_str(self.text.get(start..end).unwrap_or_default());
                            self.tree.keep(&text)
                        }
                    });
                }
                Some(b'\\') => {
                    let text = owned.get_or_insert_with(String::new);
                    text.push_str(self.text.get(start..self.at).unwrap_or_default());
                    self.at += 1;
                    let unescaped = self.escape()?;
                    if let Some(text) = owned.as_mut() {
                        text.push(unescaped);
                    }
                    start = self.at;
                }
                Some(0..=0x1f) => {
                    return Err(self.error(
                        "syntax",
                        "Not JSON: a control character stands in a string; it must be escaped.".to_owned(),
                    ));
                }
                // There is none: what is plain was passed over.
                Some(_) => self.at += 1,
                None => return Err(self.unexpected("the end of a string")),
            }
        }
    }

    /// What stands after a backslash.
    fn escape(&mut self) -> Result<char, Refused> {
        let simple = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                let first = self.hex()?;
                let second = if (0xd800..0xdc00).contains(&first)
                    && self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(b"\\u"))
                {
                    self.at += 2;
                    Some(self.hex()?)
                } else {
                    None
                };
                let units = [first, second.unwrap_or_default()];
                let units = units.get(..if second.is_some() { 2 } else { 1 }).unwrap_or_default();
                return match char::decode_utf16(units.iter().copied()).next() {
                    Some(Ok(decoded)) => Ok(decoded),
                    _ => Err(self.error("syntax", "Not JSON text: an escape is half of a surrogate pair.".to_owned())),
                };
            }
            _ => return Err(self.unexpected("an escape that JSON knows")),
        };
        self.at += 1;
        Ok(simple)
    }

    fn hex(&mut self) -> Result<u16, Refused> {
        let mut value: u16 = 0;
        for _ in 0..4 {
            let digit = match self.peek().map(char::from).and_then(|c| c.to_digit(16)) {
                Some(digit) => u16::try_from(digit).unwrap_or_default(),
                None => return Err(self.unexpected("a hexadecimal digit")),
            };
            value = (value << 4) | digit;
            self.at += 1;
        }
        Ok(value)
    }
}

/// How many bytes at the beginning are neither a quote nor a backslash nor a control character. Eight at a time: most of a document is texts.
fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let has_zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let (words, _) = bytes.as_chunks::<8>();
    let is_plain = |word: &&[u8; 8]| {
        let word = u64::from_le_bytes(**word);
        let below_space = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        (has_zero(word ^ (ONES * u64::from(b'"'))) | has_zero(word ^ (ONES * u64::from(b'\\'))) | below_space) == 0
    };
    let passed = 8 * words.iter().take_while(is_plain).count();
    let rest = bytes.get(passed..).unwrap_or_default();
    passed + rest.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1f)).count()
}

/// How many bytes at the beginning are spaces. Eight at a time: a document that people are to read is indented.
fn spaces(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (place, word) in words.iter().enumerate() {
        let others = u64::from_le_bytes(*word) ^ u64::from_le_bytes([b' '; 8]);
        if others != 0 {
            return 8 * place + others.trailing_zeros() as usize / 8;
        }
    }
    8 * words.len() + rest.iter().take_while(|byte| **byte == b' ').count()
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::{plain, read, spaces};

    #[test]
    fn spaces_end_at_the_first_byte_that_is_none_wherever_it_stands() {
        for length in 0..20 {
            assert_eq!(spaces(&vec![b' '; length]), length);
            for at in 0..length {
                for byte in (0..=u8::MAX).filter(|byte| *byte != b' ') {
                    let mut bytes = vec![b' '; length];
                    bytes[at] = byte;
                    assert_eq!(spaces(&bytes), at, "{byte} at {at} of {length}");
                }
            }
        }
    }

    #[test]
    fn what_is_plain_ends_at_the_first_byte_that_is_not_wherever_it_stands() {
        for length in 0..20 {
            for at in 0..length {
                for byte in 0..=u8::MAX {
                    let mut bytes = vec![b'a'; length];
                    bytes[at] = byte;
                    let ends = matches!(byte, b'"' | b'\\' | 0..=0x1f);
                    assert_eq!(plain(&bytes), if ends { at } else { length }, "{byte} at {at} of {length}");
                }
            }
        }
    }

    #[test]
    fn every_key_of_a_long_map_is_found_and_no_other() {
        let text: Vec<String> = (0..100).map(|n| format!("\"key{}\": {n}", n * 7 % 100)).collect();
        let text = format!("{{{}}}", text.join(","));
        let (tree, root) = read(&text).unwrap();
        for n in 0..100 {
            let value = tree.get(root, &format!("key{}", n * 7 % 100)).unwrap();
            assert!(matches!(tree.kind(value), Kind::Number(number) if *number == *n.to_string()));
        }
        for missing in ["key100", "key", "", "key1 ", "lev1"] {
            assert!(tree.get(root, missing).is_none(), "{missing}");
        }
    }
}
