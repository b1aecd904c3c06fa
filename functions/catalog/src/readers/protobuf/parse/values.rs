//! Options and their values.

use super::Parser;
use crate::readers::Refused;
use crate::readers::protobuf::ast::{Literal, Setting, Step};
use crate::readers::protobuf::lex::{Token, integer};

impl<'a> Parser<'a, '_> {
    /// `option name = value;`
    pub(super) fn option(&mut self) -> Result<Setting<'a>, Refused> {
        let spot = self.spot;
        self.bump()?;
        let setting = self.setting()?;
        self.expect(';')?;
        Ok(Setting { spot, ..setting })
    }

    /// `[name = value, …]`, or nothing.
    pub(super) fn options(&mut self) -> Result<Vec<Setting<'a>>, Refused> {
        let mut options = Vec::new();
        if self.eat('[')? {
            loop {
                options.push(self.setting()?);
                if !self.eat(',')? {
                    break;
                }
            }
            self.expect(']')?;
        }
        Ok(options)
    }

    fn setting(&mut self) -> Result<Setting<'a>, Refused> {
        self.count()?;
        let spot = self.spot;
        let mut name = Vec::new();
        loop {
            if self.eat('(')? {
                let text = self.path("the name of an extension", true)?;
                self.expect(')')?;
                name.push(Step { text, is_extension: true });
            } else {
                name.push(Step { text: self.word("the name of an option")?.into(), is_extension: false });
            }
            // Each step is a message in the one before.
            self.not_deeper(name.len())?;
            if !self.eat('.')? {
                break;
            }
        }
        self.expect('=')?;
        Ok(Setting { spot, name, value: self.literal()? })
    }

    /// A value; lists and messages are the text format's.
    fn literal(&mut self) -> Result<Literal<'a>, Refused> {
        self.count()?;
        match self.token {
            Token::Word(word) => {
                self.bump()?;
                Ok(Literal::Word(word))
            }
            Token::Text(_) => Ok(Literal::Text(self.text("a text")?)),
            Token::Integer(_) | Token::Float(_) | Token::Symbol('-' | '+') => self.signed(),
            Token::Symbol(open @ ('{' | '<')) => {
                self.bump()?;
                Ok(Literal::Message(self.entries(if open == '{' { '}' } else { '>' })?))
            }
            Token::Symbol('[') => {
                self.bump()?;
                self.enter()?;
                let mut items = Vec::new();
                while !self.is(']') {
                    items.push(self.literal()?);
                    if !self.eat(',')? {
                        break;
                    }
                }
                self.expect(']')?;
                self.leave();
                Ok(Literal::List(items))
            }
            _ => self.unexpected("a value"),
        }
    }

    fn signed(&mut self) -> Result<Literal<'a>, Refused> {
        let is_negative = self.eat('-')?;
        if !is_negative {
            self.eat('+')?;
        }
        let sign = if is_negative { "-" } else { "" };
        let number = match self.token {
            Token::Integer(text) => integer(text).unwrap_or_default().to_string(),
            Token::Float(text) => text.to_owned(),
            Token::Word(word) if ["inf", "infinity", "nan"].contains(&word.to_ascii_lowercase().as_str()) => {
                word.to_ascii_lowercase()
            }
            _ => return self.unexpected("a number"),
        };
        self.bump()?;
        Ok(Literal::Number(format!("{sign}{number}")))
    }

    /// The fields of a message in the text format, up to its closing bracket.
    fn entries(&mut self, close: char) -> Result<Vec<(Step<'a>, Literal<'a>)>, Refused> {
        self.enter()?;
        let mut entries = Vec::new();
        while !self.is(close) {
            let step = if self.eat('[')? {
                let start = self.start;
                self.path("the name of an extension", false)?;
                // The type of an `Any`: `type.googleapis.com/a.B`.
                if self.eat('/')? {
                    self.path("the name of a type", false)?;
                }
                let text = self.lexer.slice(start, self.before);
                self.expect(']')?;
                Step { text: text.into(), is_extension: true }
            } else {
                Step { text: self.word("the name of a field")?.into(), is_extension: false }
            };
            if !self.eat(':')? && !self.is('{') && !self.is('<') {
                return self.unexpected("`:`");
            }
            entries.push((step, self.literal()?));
            if !self.eat(',')? {
                self.eat(';')?;
            }
        }
        self.expect(close)?;
        self.leave();
        Ok(entries)
    }

    /// A whole number with its sign.
    pub(super) fn number(&mut self, wanted: &str) -> Result<i64, Refused> {
        let is_negative = self.eat('-')?;
        let Token::Integer(text) = self.token else { return self.unexpected(wanted) };
        let number = integer(text).and_then(|number| i64::try_from(number).ok());
        let Some(number) = number else { return self.unexpected("a smaller number") };
        self.bump()?;
        Ok(if is_negative { -number } else { number })
    }
}
