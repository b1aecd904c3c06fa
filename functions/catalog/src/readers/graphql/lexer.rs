//! The tokens of a GraphQL document, each with its place.

use std::borrow::Cow;

/// Where something stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    /// The file's place in the list of files.
    pub(super) file: u32,
    /// From 1.
    pub(super) line: u32,
    /// From 1, in characters.
    pub(super) column: u32,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One of `!$&():=@[]{|}`.
    Mark,
    Name,
    Int,
    Float,
    /// A string in single quotes, or a block in three.
    Text,
    /// The end of the file.
    End,
}

/// A token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    /// As it is written, quotes and all.
    pub(super) text: &'a str,
    pub(super) at: At,
}

/// Why a text is no GraphQL.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) at: At,
    pub(super) message: String,
}

/// Cuts a text into tokens, one after the other.
pub(super) struct Lexer<'a> {
    text: &'a str,
    bytes: &'a [u8],
    next: usize,
    file: u32,
    line: u32,
    /// Where the line starts, and how many bytes since then begin no character.
    line_start: usize,
    inner: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str, file: u32) -> Self {
        Self { text, bytes: text.as_bytes(), next: 0, file, line: 1, line_start: 0, inner: 0 }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.next).copied()
    }

    /// Goes on by a byte, and counts lines and characters.
    fn step(&mut self) {
        let byte = self.peek();
        self.next += 1;
        match byte {
            Some(b'\n') => self.newline(),
            Some(b'\r') if self.peek() != Some(b'\n') => self.newline(),
            Some(0x80..=0xBF) => self.inner += 1,
            _ => {}
        }
    }

    fn newline(&mut self) {
        self.line += 1;
        self.line_start = self.next;
        self.inner = 0;
    }

    fn at(&self) -> At {
        let column = self.next.saturating_sub(self.line_start + self.inner);
        At { file: self.file, line: self.line, column: u32::try_from(column).unwrap_or(u32::MAX).saturating_add(1) }
    }

    fn take_while(&mut self, keep: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&keep) {
            self.step();
        }
    }

    /// Goes on over bytes that are a character each, in this line.
    fn skip(&mut self, keep: impl Fn(u8) -> bool) {
        self.next += self.rest_bytes().iter().take_while(|byte| keep(**byte)).count();
    }

    /// The next token.
    pub(super) fn token(&mut self) -> Result<Token<'a>, Fault> {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\n' | b'\r' | b',') => self.step(),
                Some(b'#') => self.take_while(|byte| !matches!(byte, b'\n' | b'\r')),
                // A byte order mark is white space wherever it stands.
                Some(0xEF) if self.rest().starts_with('\u{feff}') => (0..3).for_each(|_| self.step()),
                _ => break,
            }
        }
        let (start, at) = (self.next, self.at());
        let kind = match self.peek() {
            None => Kind::End,
            Some(b'!' | b'$' | b'&' | b'(' | b')' | b':' | b'=' | b'@' | b'[' | b']' | b'{' | b'|' | b'}') => {
                self.step();
                Kind::Mark
            }
            Some(b'_' | b'a'..=b'z' | b'A'..=b'Z') => {
                self.skip(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
                Kind::Name
            }
            Some(b'-' | b'0'..=b'9') => self.number(at)?,
            Some(b'"') => {
                if self.rest().starts_with("\"\"\"") {
                    self.block(at)?;
                } else {
                    self.string(at)?;
                }
                Kind::Text
            }
            Some(_) => {
                let found = self.rest().chars().next().unwrap_or_default();
                let shown = if found.is_control() { ' ' } else { found };
                let code = u32::from(found);
                return Err(Fault { at, message: format!("the character `{shown}` (U+{code:04X}) cannot stand here") });
            }
        };
        Ok(Token { kind, text: self.text.get(start..self.next).unwrap_or_default(), at })
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.next..).unwrap_or_default()
    }

    fn number(&mut self, at: At) -> Result<Kind, Fault> {
        let digits = |lexer: &mut Self| {
            let start = lexer.next;
            lexer.take_while(|byte| byte.is_ascii_digit());
            lexer.next > start
        };
        let start = self.next;
        if self.peek() == Some(b'-') {
            self.step();
        }
        let first = self.next;
        let mut good = digits(self);
        // `007` is no number.
        good &= !(self.bytes.get(first) == Some(&b'0') && self.next > first + 1);
        let mut kind = Kind::Int;
        if self.peek() == Some(b'.') {
            self.step();
            good &= digits(self);
            kind = Kind::Float;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.step();
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.step();
            }
            good &= digits(self);
            kind = Kind::Float;
        }
        good &= !self.peek().is_some_and(|byte| byte == b'.' || byte == b'_' || byte.is_ascii_alphabetic());
        if good {
            return Ok(kind);
        }
        self.take_while(|byte| byte == b'.' || byte == b'_' || byte.is_ascii_alphanumeric());
        let written = super::quote(self.text.get(start..self.next).unwrap_or_default());
        Err(Fault { at, message: format!("{written} is no number") })
    }

    fn string(&mut self, at: At) -> Result<(), Fault> {
        self.step();
        loop {
            match self.peek() {
                None | Some(b'\n' | b'\r') => {
                    return Err(Fault {
                        at,
                        message: "the string that begins here does not end on its line".to_owned(),
                    });
                }
                Some(b'"') => {
                    self.step();
                    return Ok(());
                }
                Some(b'\\') => {
                    let Some((_, length)) = escape(self.rest()) else {
                        let message = "the escape sequence in this string is unknown".to_owned();
                        return Err(Fault { at: self.at(), message });
                    };
                    // An escape sequence is ASCII without line breaks.
                    self.next += length;
                }
                Some(_) => {
                    self.step();
                    self.skip(is_plain);
                }
            }
        }
    }

    fn block(&mut self, at: At) -> Result<(), Fault> {
        self.next += 3;
        loop {
            let rest = self.rest_bytes();
            if rest.is_empty() {
                return Err(Fault { at, message: "the block of text that begins here does not end".to_owned() });
            } else if rest.starts_with(b"\"\"\"") {
                self.next += 3;
                return Ok(());
            } else if rest.starts_with(b"\\\"\"\"") {
                self.next += 4;
            } else {
                self.step();
                self.skip(is_plain);
            }
        }
    }

    /// As [`rest`](Self::rest), also within a character.
    fn rest_bytes(&self) -> &'a [u8] {
        self.bytes.get(self.next..).unwrap_or_default()
    }
}

/// Whether a byte of a text is a character by itself, and means nothing else.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=0x7F) && !matches!(byte, b'"' | b'\\')
}

/// The character that an escape sequence at the beginning of a text stands for, and the length of the sequence in bytes.
fn escape(text: &str) -> Option<(char, usize)> {
    let unit = |digits: Option<&str>| {
        let digits = digits.filter(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        u32::from_str_radix(digits?, 16).ok()
    };
    let simple = match text.as_bytes().get(1)? {
        byte @ (b'"' | b'\\' | b'/') => char::from(*byte),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            if let Some(rest) = text.strip_prefix("\\u{") {
                let end = rest.bytes().take(12).position(|byte| byte == b'}')?;
                return Some((char::from_u32(unit(rest.get(..end))?)?, end + 4));
            }
            let first = unit(text.get(2..6))?;
            if !(0xD800..0xDC00).contains(&first) {
                return Some((char::from_u32(first)?, 6));
            }
            let second = unit(text.get(6..)?.strip_prefix("\\u")?.get(..4))?;
            let second = second.checked_sub(0xDC00).filter(|low| *low < 0x400)?;
            return Some((char::from_u32(0x1_0000 + (first - 0xD800) * 0x400 + second)?, 12));
        }
        _ => return None,
    };
    Some((simple, 2))
}

fn inside_block(written: &str) -> Option<&str> {
    written.strip_prefix("\"\"\"").and_then(|rest| rest.strip_suffix("\"\"\""))
}

/// The first line of a string or a block of text that says something, without the white space around it.
pub(super) fn first_line(written: &str) -> Cow<'_, str> {
    let Some(block) = inside_block(written) else {
        let text = decode(written);
        return Cow::Owned(text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned());
    };
    // A block loses nothing but white space, and has one escape sequence.
    let line = block.split(['\n', '\r']).map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    if line.contains('\\') { Cow::Owned(line.replace("\\\"\"\"", "\"\"\"")) } else { Cow::Borrowed(line) }
}

/// What a string or a block of text says.
pub(super) fn decode(written: &str) -> Cow<'_, str> {
    if let Some(block) = inside_block(written) {
        return Cow::Owned(dedent(block));
    }
    let inside = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(written);
    if !inside.contains('\\') {
        return Cow::Borrowed(inside);
    }
    let mut decoded = String::with_capacity(inside.len());
    let mut rest = inside;
    while let Some((before, _)) = rest.split_once('\\') {
        decoded.push_str(before);
        rest = rest.get(before.len()..).unwrap_or_default();
        let (character, length) = escape(rest).unwrap_or(('\\', 1));
        decoded.push(character);
        rest = rest.get(length..).unwrap_or_default();
    }
    decoded.push_str(rest);
    Cow::Owned(decoded)
}

/// A block without what all its lines but the first are indented by, and without empty lines around it.
fn dedent(block: &str) -> String {
    let block = block.replace("\\\"\"\"", "\"\"\"").replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<&str> = block.split('\n').collect();
    let blank = |line: &&str| line.bytes().all(|byte| matches!(byte, b' ' | b'\t'));
    let indent = |line: &&str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let common = lines.iter().skip(1).filter(|line| !blank(line)).map(indent).min().unwrap_or_default();
    let first = lines.iter().position(|line| !blank(line)).unwrap_or(lines.len());
    let last = lines.iter().rposition(|line| !blank(line)).map_or(first, |last| last + 1);
    let cut = |(place, line): (usize, &&str)| {
        let cut = if place == 0 { 0 } else { common };
        line.get(cut..).unwrap_or_default().to_owned()
    };
    lines.iter().enumerate().take(last).skip(first).map(cut).collect::<Vec<String>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Result<Vec<Token<'_>>, Fault> {
        let mut lexer = Lexer::new(text, 0);
        let mut tokens = Vec::new();
        loop {
            let token = lexer.token()?;
            if token.kind == Kind::End {
                return Ok(tokens);
            }
            tokens.push(token);
        }
    }

    #[test]
    fn places_are_counted_in_characters_over_all_line_ends() {
        let found = tokens("\u{feff}a\r\n \"äöü\" b\rc # é\n\"\"\"x\r\ny\"\"\" d").unwrap();
        let places: Vec<(&str, u32, u32)> =
            found.iter().map(|token| (token.text, token.at.line, token.at.column)).collect();
        assert_eq!(
            places,
            [("a", 1, 2), ("\"äöü\"", 2, 2), ("b", 2, 8), ("c", 3, 1), ("\"\"\"x\r\ny\"\"\"", 4, 1), ("d", 5, 6)]
        );
    }

    #[test]
    fn numbers_are_as_the_specification_says() {
        for good in ["0", "-0", "12", "-1.5", "1e3", "1.0E-7"] {
            assert_eq!(tokens(good).unwrap().len(), 1, "{good}");
        }
        for bad in ["01", "-", "1.", ".5", "1e", "1e+", "1x", "1.2.3", "0xF", "1_0"] {
            assert!(tokens(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn strings_say_what_their_escapes_stand_for() {
        assert_eq!(decode(r#""a\n\u00e9\u{1F600}\uD83D\uDE00\"\\\/""#), "a\né😀😀\"\\/");
        for bad in [
            r#""\x""#,
            r#""\uD83D""#,
            r#""\uD83Dx""#,
            r#""\uDE00""#,
            r#""\u{110000}""#,
            r#""\u{}""#,
            r#""\u+123""#,
            "\"a\nb\"",
            "\"",
            "\"\"\"a",
        ] {
            assert!(tokens(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn blocks_lose_their_common_indent() {
        assert_eq!(
            decode("\"\"\"\n    Hello,\n      World!\n\n    \\\"\"\"Yours\n  \t\n\"\"\""),
            "Hello,\n  World!\n\n\"\"\"Yours"
        );
        assert_eq!(decode("\"\"\"a\r\n  b\"\"\""), "a\nb");
        assert_eq!(decode("\"\"\"\"\"\""), "");
    }

    #[test]
    fn the_first_line_of_a_text_is_that_of_what_it_says() {
        for written in [
            "\"\"\"\n\t \n  Hello, \\\"\"\"you\\\"\"\" \n  there\"\"\"",
            "\"\"\"\r\r\n a\rb\"\"\"",
            "\"\"\"a\\nb\"\"\"",
            "\"\"\" \u{a0}\n\u{a0}x\u{a0}\"\"\"",
            "\"\"\" \"\"\"",
            "\"\\n\\u0061 \\n b\"",
            "\"\"",
        ] {
            let text = decode(written);
            let first = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
            assert_eq!(first_line(written), first, "{written}");
        }
    }
}
