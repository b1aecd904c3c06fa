//! The words of a `.proto` file, one by one, each with its place and the comment before it.

use crate::readers::cut;

/// A place in a file, from 1; the column in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) line: u32,
    pub(super) column: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Word(&'a str),
    Integer(&'a str),
    Float(&'a str),
    /// With its quotes and escapes.
    Text(&'a str),
    Symbol(char),
    End,
}

/// What is no word of the language.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) spot: Spot,
    pub(super) message: String,
}

pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    spot: Spot,
    /// Up to here [`spot`](Self::spot) has counted: so the columns of a long line cost one pass.
    counted: usize,
    /// The token before.
    pub(super) start: usize,
    pub(super) end: usize,
    /// The comment right before the token, with its marks; empty for none.
    pub(super) comment: &'a str,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, spot: Spot { line: 1, column: 1 }, counted: 0, start: 0, end: 0, comment: "" }
    }

    fn byte(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.at + ahead).copied().unwrap_or_default()
    }

    fn is_end(&self) -> bool {
        self.at >= self.text.len()
    }

    /// The source between two places of tokens.
    pub(super) fn slice(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or_default()
    }

    /// The place of the next byte.
    fn here(&mut self) -> Spot {
        let passed = self.text.as_bytes().get(self.counted..self.at).unwrap_or_default();
        for byte in passed {
            if *byte == b'\n' {
                self.spot = Spot { line: self.spot.line.saturating_add(1), column: 1 };
            } else if byte & 0xc0 != 0x80 {
                self.spot.column = self.spot.column.saturating_add(1);
            }
        }
        self.counted = self.at;
        self.spot
    }

    fn fault<T>(&mut self, message: &str) -> Result<T, Fault> {
        Err(Fault { spot: self.here(), message: message.to_owned() })
    }

    /// The next word.
    pub(super) fn next(&mut self) -> Result<(Token<'a>, Spot), Fault> {
        self.skip()?;
        let spot = self.here();
        self.start = self.at;
        let token = match self.byte(0) {
            _ if self.is_end() => Token::End,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                self.pass(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                Token::Word(self.slice(self.start, self.at))
            }
            b'0'..=b'9' => self.number()?,
            b'.' if self.byte(1).is_ascii_digit() => self.number()?,
            quote @ (b'"' | b'\'') => self.quoted(quote)?,
            symbol @ (b'{' | b'}' | b'[' | b']' | b'(' | b')' | b'<' | b'>' | b'=' | b';' | b',' | b'.' | b':'
            | b'-' | b'+' | b'/') => {
                self.at += 1;
                Token::Symbol(char::from(symbol))
            }
            _ => return self.fault("This character has no place here."),
        };
        self.end = self.at;
        Ok((token, spot))
    }

    fn pass(&mut self, wanted: impl Fn(u8) -> bool) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        self.at += rest.iter().take_while(|byte| wanted(**byte)).count();
    }

    /// White space and comments. A comment on the line of the token before is that token's, and one with an empty line after it is nobody's.
    fn skip(&mut self) -> Result<(), Fault> {
        self.comment = "";
        let mut is_new_line = self.at == 0;
        let (mut from, mut lines_since) = (None, 0);
        loop {
            match (self.byte(0), self.byte(1)) {
                _ if self.is_end() => break,
                (b'\n', _) => {
                    is_new_line = true;
                    lines_since += 1;
                    if lines_since > 1 {
                        from = None;
                        self.comment = "";
                    }
                    self.at += 1;
                }
                (b' ' | b'\t' | b'\r' | 0x0b | 0x0c, _) => {
                    self.pass(|byte| matches!(byte, b' ' | b'\t' | b'\r' | 0x0b | 0x0c));
                }
                (b'/', second @ (b'/' | b'*')) => {
                    let start = self.at;
                    self.comment_from(second == b'*')?;
                    if is_new_line {
                        let from = *from.get_or_insert(start);
                        self.comment = self.slice(from, self.at);
                        lines_since = 0;
                    }
                }
                _ => break,
            }
        }
        Ok(())
    }

    fn comment_from(&mut self, is_block: bool) -> Result<(), Fault> {
        let rest = self.text.get(self.at + 2..).unwrap_or_default();
        if !is_block {
            self.at += 2 + rest.find('\n').unwrap_or(rest.len());
            return Ok(());
        }
        match rest.find("*/") {
            Some(length) => {
                self.at += 4 + length;
                Ok(())
            }
            None => self.fault("This comment has no end."),
        }
    }

    fn number(&mut self) -> Result<Token<'a>, Fault> {
        let is_hexadecimal = self.byte(0) == b'0' && matches!(self.byte(1), b'x' | b'X');
        let mut before = 0;
        while !self.is_end() {
            let byte = self.byte(0);
            let is_sign = matches!(byte, b'+' | b'-') && matches!(before, b'e' | b'E') && !is_hexadecimal;
            if !(byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_') || is_sign) {
                break;
            }
            before = byte;
            self.at += 1;
        }
        let text = self.slice(self.start, self.at);
        if integer(text).is_some() {
            return Ok(Token::Integer(text));
        }
        let plain = text.strip_suffix(['f', 'F']).unwrap_or(text);
        let is_float = !is_hexadecimal && !plain.contains('_') && plain.parse::<f64>().is_ok();
        if is_float { Ok(Token::Float(plain)) } else { self.fault("This is no number.") }
    }

    fn quoted(&mut self, quote: u8) -> Result<Token<'a>, Fault> {
        self.at += 1;
        loop {
            match self.byte(0) {
                b'\n' | 0 => return self.fault("This text has no end: its line ends before its quote."),
                b'\\' => self.at += 2,
                byte => {
                    self.at += 1;
                    if byte == quote {
                        return Ok(Token::Text(self.slice(self.start, self.at)));
                    }
                }
            }
        }
    }
}

/// A whole number as the language writes it: decimal, hexadecimal or octal.
pub(super) fn integer(text: &str) -> Option<u64> {
    let digits = text.get(..2).filter(|prefix| prefix.eq_ignore_ascii_case("0x")).and_then(|_| text.get(2..));
    match digits {
        Some(digits) if digits.starts_with('+') => None,
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None if !text.bytes().all(|byte| byte.is_ascii_digit()) => None,
        None if text.len() > 1 && text.starts_with('0') => u64::from_str_radix(text, 8).ok(),
        None => text.parse().ok(),
    }
}

/// What a quoted text says; nothing where an escape is none.
pub(super) fn unquote(quoted: &str, into: &mut Vec<u8>) -> Option<()> {
    let inner = quoted.get(1..quoted.len().saturating_sub(1))?;
    let mut rest = inner.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'\\' {
            into.push(*byte);
            continue;
        }
        let (escape, after) = rest.split_first()?;
        rest = after;
        let plain = match escape {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'a' => 7,
            b'b' => 8,
            b'f' => 12,
            b'v' => 11,
            b'\\' | b'\'' | b'"' | b'?' => *escape,
            b'0'..=b'7' => {
                let mut value = u32::from(escape - b'0');
                take(&mut rest, 2, 8, &mut value);
                u8::try_from(value & 0xff).ok()?
            }
            b'x' | b'X' => {
                let mut value = 0;
                (take(&mut rest, 2, 16, &mut value) > 0).then_some(())?;
                u8::try_from(value).ok()?
            }
            b'u' | b'U' => {
                let count = if *escape == b'u' { 4 } else { 8 };
                let mut value = 0;
                (take(&mut rest, count, 16, &mut value) == count).then_some(())?;
                let c = char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER);
                into.extend(c.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            _ => return None,
        };
        into.push(plain);
    }
    Some(())
}

/// Takes up to so many digits; how many there were.
fn take(rest: &mut &[u8], most: usize, radix: u32, value: &mut u32) -> usize {
    let mut taken = 0;
    while let Some((byte, after)) = rest.split_first()
        && taken < most
        && let Some(digit) = char::from(*byte).to_digit(radix)
    {
        *value = value.wrapping_mul(radix).wrapping_add(digit);
        *rest = after;
        taken += 1;
    }
    taken
}

/// Characters of a summary.
const SUMMARY_MAX: usize = 120;

/// The first sentence of a comment, without its marks, as one line of at most 120 characters.
pub(super) fn summary(comment: &str) -> String {
    let mut line = String::new();
    for part in comment.lines() {
        let part = part.trim();
        let part = part.strip_prefix("//").or_else(|| part.strip_prefix("/*")).unwrap_or(part);
        let part = part.strip_suffix("*/").unwrap_or(part);
        let part = part.trim_start_matches(['*', '/', '!']).trim();
        if part.is_empty() && !line.is_empty() {
            break;
        }
        if !part.is_empty() && !line.is_empty() {
            line.push(' ');
        }
        line.push_str(part);
        if line.len() > 800 {
            break;
        }
    }
    if let Some(end) = line.find(". ") {
        line.truncate(end + 1);
    }
    let end = cut(&line, SUMMARY_MAX).len();
    if end < line.len() {
        line.truncate(end);
        line.push('…');
    }
    line
}
