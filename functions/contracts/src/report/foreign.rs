//! Foreign texts, made harmless for each form.

use std::fmt::Write as _;

/// Characters of a foreign text that are shown in one place.
const SHOWN_MAX: usize = 500;

/// One line without anything that moves a cursor, hides text or turns its direction (Trojan Source): such characters become `U+FFFD`, line ends and tabs a
/// space. What is very long is cut.
pub(super) fn clean(text: &str) -> String {
    let mut line: String = text.chars().take(SHOWN_MAX).map(harmless).collect();
    if text.chars().nth(SHOWN_MAX).is_some() {
        line.push('…');
    }
    line
}

fn harmless(c: char) -> char {
    match c {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
        // Direction and width that cannot be seen, and what XML 1.0 cannot hold.
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => '\u{fffd}',
        c if c.is_control() || is_special(c) => '\u{fffd}',
        c => c,
    }
}

/// What has no form of its own: byte order marks, tags, and characters that are none.
fn is_special(c: char) -> bool {
    matches!(c, '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}' | '\u{e0000}'..='\u{e007f}')
}

/// For a cell or a line of Markdown as GitHub reads it. Punctuation that could mean something becomes a character reference, which never makes
/// structure (`CommonMark` 6.2). What GitHub looks for in the finished page, mentions and references to issues, is kept apart by a character that cannot be seen.
pub(super) fn markdown(text: &str) -> String {
    let clean = clean(text);
    let mut out = String::with_capacity(clean.len());
    let mut rest = clean.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '@' | '#' => {
                // Writing to a `String` cannot fail.
                let _ = write!(out, "&#{};&#8203;", u32::from(c));
            }
            // The end of a sentence may stay.
            '.' if rest.peek().is_none_or(|next| *next == ' ') => out.push('.'),
            ',' | '-' => out.push(c),
            c if c.is_ascii_punctuation() => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// For XML: text or the value of an attribute.
pub(super) fn xml(text: &str) -> String {
    let clean = clean(text);
    let mut out = String::with_capacity(clean.len());
    for c in clean.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            c => out.push(c),
        }
    }
    out
}

/// For the message of a command of GitHub Actions.
pub(super) fn command(text: &str) -> String {
    clean(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// For a property of a command of GitHub Actions.
pub(super) fn property(text: &str) -> String {
    command(text).replace(':', "%3A").replace(',', "%2C")
}

/// For a message of SARIF: links (3.11.6) and placeholders (3.11.5) are none. Braces are doubled, as the specification wants it, only where one could begin a
/// placeholder: most readers show them as they are, and paths are full of them.
pub(super) fn sarif(text: &str) -> String {
    let clean = clean(text);
    let has_placeholder = clean.split('{').skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let mut out = String::with_capacity(clean.len());
    for c in clean.chars() {
        match c {
            '\\' | '[' | ']' => out.extend(['\\', c]),
            '{' | '}' if has_placeholder => out.extend([c, c]),
            c => out.push(c),
        }
    }
    out
}
