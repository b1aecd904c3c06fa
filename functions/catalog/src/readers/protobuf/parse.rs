//! The parser: a text becomes a [`File`]. It takes more than the language allows where what is meant is plain (a label too many, a group in proto3) and
//! notes it; what it cannot make sense of is refused.

mod bodies;
mod values;

use std::borrow::Cow;

use super::ast::{File, Head, Import, Note, Syntax};
use super::lex::{Fault, Lexer, Spot, Token, unquote};
use crate::readers::{Refused, quote};

/// Declarations, fields, values and options of all files together.
pub(super) const NODES_MAX: usize = 500_000;

/// Bytes of a name, and of a full one.
pub(super) const NAME_BYTES_MAX: usize = 1_000;
/// Levels of braces and lists. The reference compiler takes 32 levels of messages; every level here is one of the stack.
pub(super) const NESTING_MAX: usize = 64;

/// What is read, as a refusal says it.
const READ: &str = "proto2, proto3 and the editions 2023 and 2024 are read";

pub(super) struct Parser<'a, 'n> {
    path: &'a str,
    lexer: Lexer<'a>,
    token: Token<'a>,
    spot: Spot,
    comment: &'a str,
    /// Where the token before ended, and where this one begins and ends.
    before: usize,
    start: usize,
    end: usize,
    depth: usize,
    nodes: &'n mut usize,
    syntax: Syntax,
    notes: Vec<Note>,
}

/// Reads a file. `nodes` counts over all files.
pub(super) fn parse<'a>(path: &'a str, text: &'a str, nodes: &mut usize) -> Result<File<'a>, Refused> {
    let mut parser = Parser {
        path,
        lexer: Lexer::new(text),
        token: Token::End,
        spot: Spot::default(),
        comment: "",
        before: 0,
        start: 0,
        end: 0,
        depth: 0,
        nodes,
        syntax: Syntax::default(),
        notes: Vec::new(),
    };
    parser.bump()?;
    parser.file()
}

/// Whether the first words of a text are those of a declaration. `import: x` is YAML, and `enum E { A }` could be GraphQL.
pub(super) fn begins(text: &str) -> bool {
    let mut lexer = Lexer::new(text);
    let mut token = || lexer.next().map_or(Token::End, |(token, _)| token);
    let (first, second) = (token(), token());
    match (first, second) {
        (Token::Word("package" | "option"), Token::Word(_)) => matches!(token(), Token::Symbol('.' | ';' | '=')),
        (Token::Word("import"), Token::Text(_)) => matches!(token(), Token::Symbol(';')),
        (Token::Word("syntax" | "edition"), Token::Symbol('='))
        | (Token::Word("import"), Token::Word("public" | "weak" | "option")) => matches!(token(), Token::Text(_)),
        (Token::Word("option"), Token::Symbol('('))
        | (Token::Word("export" | "local"), Token::Word("message" | "enum")) => true,
        (Token::Word("message" | "service"), Token::Word(_)) => matches!(token(), Token::Symbol('{')),
        (Token::Word("enum"), Token::Word(_)) => {
            matches!((token(), token(), token()), (Token::Symbol('{'), Token::Word(_), Token::Symbol('=')))
        }
        (Token::Word("extend"), Token::Word(_)) => matches!(token(), Token::Symbol('.' | '{')),
        (Token::Word("extend"), Token::Symbol('.')) => matches!(token(), Token::Word(_)),
        _ => false,
    }
}

impl<'a> Parser<'a, '_> {
    fn fault<T>(&self, Fault { spot, message }: Fault) -> Result<T, Refused> {
        Err(Refused::new("syntax", message).at(self.path, spot.line, spot.column))
    }

    /// The token is not what it must be.
    fn unexpected<T>(&self, wanted: &str) -> Result<T, Refused> {
        let found = match self.token {
            Token::End => "the end of the file".to_owned(),
            _ => quote(self.lexer.slice(self.start, self.end)),
        };
        self.fault(Fault { spot: self.spot, message: format!("Here must be {wanted}, not {found}.") })
    }

    fn note(&mut self, code: &'static str, spot: Spot, message: String) {
        self.notes.push(Note { code, spot, message });
    }

    fn bump(&mut self) -> Result<Token<'a>, Refused> {
        let taken = self.token;
        self.before = self.end;
        match self.lexer.next() {
            Ok(next) => (self.token, self.spot) = next,
            Err(fault) => return self.fault(fault),
        }
        self.comment = self.lexer.comment;
        (self.start, self.end) = (self.lexer.start, self.lexer.end);
        Ok(taken)
    }

    /// One level deeper.
    fn enter(&mut self) -> Result<(), Refused> {
        self.depth += 1;
        self.not_deeper(self.depth)
    }

    fn not_deeper(&self, depth: usize) -> Result<(), Refused> {
        if depth <= NESTING_MAX {
            return Ok(());
        }
        let message =
            format!("The document is nested deeper than {NESTING_MAX} levels, which is the most that is read.");
        Err(Refused::new("too-deep", message).at(self.path, self.spot.line, self.spot.column))
    }

    fn leave(&mut self) {
        self.depth -= 1;
    }

    /// One more thing.
    fn count(&mut self) -> Result<(), Refused> {
        *self.nodes += 1;
        if *self.nodes > NODES_MAX {
            let message =
                format!("The document has more than {NODES_MAX} declarations, which is the most that is read.");
            return Err(Refused::new("too-many-nodes", message).at(self.path, self.spot.line, self.spot.column));
        }
        Ok(())
    }

    fn is(&self, symbol: char) -> bool {
        self.token == Token::Symbol(symbol)
    }

    fn is_word(&self, word: &str) -> bool {
        self.token == Token::Word(word)
    }

    fn eat(&mut self, symbol: char) -> Result<bool, Refused> {
        let found = self.is(symbol);
        if found {
            self.bump()?;
        }
        Ok(found)
    }

    fn eat_word(&mut self, word: &str) -> Result<bool, Refused> {
        let found = self.is_word(word);
        if found {
            self.bump()?;
        }
        Ok(found)
    }

    fn expect(&mut self, symbol: char) -> Result<(), Refused> {
        if self.eat(symbol)? { Ok(()) } else { self.unexpected(&format!("`{symbol}`")) }
    }

    fn word(&mut self, wanted: &str) -> Result<&'a str, Refused> {
        match self.token {
            Token::Word(word) => {
                self.bump()?;
                Ok(word)
            }
            _ => self.unexpected(wanted),
        }
    }

    /// `a.b.c`, `.a.b` too where `absolute` allows it.
    fn path(&mut self, wanted: &str, absolute: bool) -> Result<Cow<'a, str>, Refused> {
        let start = self.start;
        let mut length = 0;
        let mut parts = Vec::new();
        if absolute && self.eat('.')? {
            length += 1;
            parts.push("");
        }
        loop {
            let word = self.word(wanted)?;
            length += word.len();
            parts.push(word);
            if !self.eat('.')? {
                break;
            }
            length += 1;
        }
        // Mostly nothing stands between the parts.
        let whole = self.lexer.slice(start, self.before);
        Ok(if whole.len() == length { Cow::Borrowed(whole) } else { Cow::Owned(parts.join(".")) })
    }

    /// Quoted texts that stand one after another are one.
    fn text(&mut self, wanted: &str) -> Result<Vec<u8>, Refused> {
        let mut text = Vec::new();
        let mut found = false;
        while let Token::Text(quoted) = self.token {
            if unquote(quoted, &mut text).is_none() {
                return self.unexpected("a text whose escapes are some of the language");
            }
            self.bump()?;
            found = true;
        }
        if found { Ok(text) } else { self.unexpected(wanted) }
    }

    fn utf8(&mut self, wanted: &str) -> Result<String, Refused> {
        Ok(String::from_utf8_lossy(&self.text(wanted)?).into_owned())
    }

    fn head(&mut self, keyword: Option<&str>) -> Result<Head<'a>, Refused> {
        self.count()?;
        let (spot, comment) = (self.spot, self.comment);
        if keyword.is_some() {
            self.bump()?;
        }
        let wanted = keyword.map_or_else(|| "a name".to_owned(), |keyword| format!("the name of the {keyword}"));
        let name = self.word(&wanted)?;
        self.short(name, spot)?;
        Ok(Head { spot, comment, name })
    }

    /// Names are joined with all that they stand in, so a long one would be many times as long.
    fn short(&self, name: &str, spot: Spot) -> Result<(), Refused> {
        if name.len() <= NAME_BYTES_MAX {
            return Ok(());
        }
        let message = format!("A name has more than {NAME_BYTES_MAX} bytes, which is the most that is read.");
        Err(Refused::new("too-long-name", message).at(self.path, spot.line, spot.column))
    }

    fn file(mut self) -> Result<File<'a>, Refused> {
        let mut file = File::default();
        let mut has_package = false;
        self.syntax()?;
        loop {
            let spot = self.spot;
            match self.token {
                Token::End => break,
                Token::Symbol(';') => {
                    self.bump()?;
                }
                Token::Word("import") => file.imports.push(self.import()?),
                Token::Word("package") => {
                    self.bump()?;
                    let package = self.path("the name of the package", false)?;
                    self.expect(';')?;
                    self.short(&package, spot)?;
                    if has_package {
                        self.note(
                            "duplicate-package",
                            spot,
                            "The file has a second package; the first one holds.".into(),
                        );
                    } else {
                        file.package = package;
                    }
                    has_package = true;
                }
                Token::Word("option") => file.options.push(self.option()?),
                Token::Word("message") => file.messages.push(self.message()?),
                Token::Word("enum") => file.enums.push(self.enumeration()?),
                Token::Word("service") => file.services.push(self.service()?),
                Token::Word("extend") => {
                    let extend = self.extend(&mut file.messages)?;
                    file.extends.push(extend);
                }
                // Who may import it is not what callers see.
                Token::Word("export" | "local") if self.syntax == Syntax::Edition2024 => {
                    self.bump()?;
                    if !self.is_word("message") && !self.is_word("enum") {
                        return self.unexpected("`message` or `enum`");
                    }
                }
                _ => return self.unexpected("`message`, `enum`, `service`, `extend`, `import`, `option` or `package`"),
            }
        }
        file.syntax = self.syntax;
        file.notes = self.notes;
        Ok(file)
    }

    fn syntax(&mut self) -> Result<(), Refused> {
        let Token::Word(keyword @ ("syntax" | "edition")) = self.token else {
            let message = "The file does not say its syntax, so it is proto2.".to_owned();
            self.note("no-syntax", Spot { line: 1, column: 1 }, message);
            return Ok(());
        };
        let spot = self.spot;
        self.bump()?;
        self.expect('=')?;
        let name = self.utf8("a text such as \"proto3\"")?;
        self.expect(';')?;
        self.syntax = match (keyword, name.as_str()) {
            ("syntax", "proto2") => Syntax::Proto2,
            ("syntax", "proto3") => Syntax::Proto3,
            ("edition", "2023") => Syntax::Edition2023,
            ("edition", "2024") => Syntax::Edition2024,
            _ => {
                let message = format!("The {keyword} {} is not read; {READ}.", quote(&name));
                return Err(Refused::new("format-version", message).at(self.path, spot.line, spot.column));
            }
        };
        Ok(())
    }

    fn import(&mut self) -> Result<Import, Refused> {
        self.count()?;
        let spot = self.spot;
        self.bump()?;
        let is_public = self.eat_word("public")?;
        if !is_public && !self.eat_word("weak")? {
            self.eat_word("option")?;
        }
        let path = self.utf8("the path of a file, in quotes")?;
        self.expect(';')?;
        Ok(Import { spot, path, is_public })
    }
}
