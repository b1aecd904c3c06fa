//! All that the files define, by its full name, and who sees what.

use std::rc::Rc;

use foldhash::HashMap;

use super::ast::{Enum, Extend, File, Message, Setting, Syntax};
use super::features::Features;
use super::lex::Spot;
use super::options::Reader;
use super::parse::NAME_BYTES_MAX;
use crate::readers::{Refused, Warnings, quote};

/// Bytes of the features that something hands on to all in it.
const FEATURES_BYTES_MAX: usize = 1_000;

/// A file that was read.
pub(super) struct Loaded<'a> {
    pub(super) path: &'a str,
    /// The path as warnings have it: empty where the upload is one document.
    pub(super) shown: &'a str,
    pub(super) ast: File<'a>,
    /// The upload has it: it stands in the surface's files.
    pub(super) is_uploaded: bool,
    /// It is one of those that come with the format: what it says beyond structure is not told.
    pub(super) is_known: bool,
    pub(super) is_root: bool,
    /// The files that it imports, each with whether it hands them on.
    pub(super) imports: Vec<(usize, bool)>,
}

impl<'a> Loaded<'a> {
    pub(super) fn new(path: &'a str, shown: &'a str, ast: File<'a>) -> Self {
        Self { path, shown, ast, is_uploaded: false, is_known: false, is_root: false, imports: Vec::new() }
    }

    pub(super) fn known(self) -> Self {
        Self { is_known: true, ..self }
    }
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Symbol {
    Message(usize),
    Enum(usize),
    Extension(usize),
}

/// What a name is looked up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    Type,
    Extension,
}

pub(super) struct Found {
    pub(super) symbol: Symbol,
    /// The file imports the one that defines it.
    pub(super) is_visible: bool,
}

pub(super) struct MessageDef<'f> {
    pub(super) ast: &'f Message<'f>,
    pub(super) file: usize,
    pub(super) name: Rc<str>,
    /// The scope that it stands in is a message, not a package.
    pub(super) is_nested: bool,
    pub(super) features: Rc<Features>,
}

pub(super) struct EnumDef<'f> {
    pub(super) ast: &'f Enum<'f>,
    pub(super) file: usize,
    pub(super) name: Rc<str>,
    pub(super) is_nested: bool,
    pub(super) features: Rc<Features>,
}

pub(super) struct ExtendDef<'f> {
    pub(super) ast: &'f Extend<'f>,
    pub(super) file: usize,
    /// The full name of what it stands in.
    pub(super) scope: Rc<str>,
    pub(super) features: Rc<Features>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Index<'f> {
    pub(super) messages: Vec<MessageDef<'f>>,
    pub(super) enums: Vec<EnumDef<'f>>,
    pub(super) extends: Vec<ExtendDef<'f>>,
    /// What each file says of all in it.
    pub(super) features: Vec<Rc<Features>>,
    names: HashMap<Rc<str>, Vec<(Symbol, usize)>>,
    extensions: Vec<Rc<str>>,
    visible: Vec<Vec<bool>>,
}

/// `scope.name`.
pub(super) fn join(scope: &str, name: &str) -> Rc<str> {
    if scope.is_empty() { name.into() } else { format!("{scope}.{name}").into() }
}

impl<'f> Index<'f> {
    /// Gathers what the files define.
    pub(super) fn of(files: &'f [Loaded<'f>], warnings: &mut Warnings) -> Result<Self, Refused> {
        let mut index = Self { visible: visible(files), ..Self::default() };
        // Names first, because options name extensions and features stand in options.
        for (place, file) in files.iter().enumerate() {
            for extend in &file.ast.extends {
                index.extension(place, &file.ast.package, extend);
            }
            for message in &file.ast.messages {
                index.extensions_of(place, &file.ast.package, message);
            }
        }
        for (place, file) in files.iter().enumerate() {
            let reader = Reader { index: &index, file: place, path: file.shown };
            let options = reader.read(&file.ast.package, features_of(&file.ast.options), &mut Warnings::default());
            let features = Rc::new(Features::of(file.ast.syntax)).with(&options);
            short(&features, file.path, Spot { line: 1, column: 1 })?;
            index.features.push(Rc::clone(&features));
            let package: Rc<str> = (*file.ast.package).into();
            let mut scope =
                Scope { file: place, path: file.path, shown: file.shown, name: package, is_message: false, features };
            index.define(&mut scope, &file.ast.messages, &file.ast.enums, &file.ast.extends, warnings)?;
        }
        Ok(index)
    }

    fn extension(&mut self, file: usize, scope: &str, extend: &Extend<'_>) {
        for field in &extend.fields {
            let name = join(scope, field.head.name);
            self.names.entry(Rc::clone(&name)).or_default().push((Symbol::Extension(self.extensions.len()), file));
            self.extensions.push(name);
        }
    }

    fn extensions_of(&mut self, file: usize, scope: &str, message: &Message<'_>) {
        let scope = join(scope, message.head.name);
        for extend in &message.extends {
            self.extension(file, &scope, extend);
        }
        // As deep as the parser went.
        for inner in &message.messages {
            self.extensions_of(file, &scope, inner);
        }
    }

    fn define(
        &mut self,
        scope: &mut Scope<'f>,
        messages: &'f [Message<'f>],
        enums: &'f [Enum<'f>],
        extends: &'f [Extend<'f>],
        warnings: &mut Warnings,
    ) -> Result<(), Refused> {
        for ast in extends {
            let (scope_name, features) = (Rc::clone(&scope.name), Rc::clone(&scope.features));
            self.extends.push(ExtendDef { ast, file: scope.file, scope: scope_name, features });
        }
        for ast in enums {
            let name = self.full_name(scope, ast.head.name, ast.head.spot, warnings)?;
            let features = self.features_in(scope, &name, ast.head.spot, &ast.options)?;
            self.name_it(&name, Symbol::Enum(self.enums.len()), scope.file);
            self.enums.push(EnumDef { ast, file: scope.file, name, is_nested: scope.is_message, features });
        }
        for ast in messages {
            let name = self.full_name(scope, ast.head.name, ast.head.spot, warnings)?;
            let features = self.features_in(scope, &name, ast.head.spot, &ast.options)?;
            self.name_it(&name, Symbol::Message(self.messages.len()), scope.file);
            let (is_nested, features_here) = (scope.is_message, Rc::clone(&features));
            self.messages.push(MessageDef { ast, file: scope.file, name: Rc::clone(&name), is_nested, features });
            let mut inner = Scope { name, is_message: true, features: features_here, ..*scope };
            self.define(&mut inner, &ast.messages, &ast.enums, &ast.extends, warnings)?;
        }
        Ok(())
    }

    fn name_it(&mut self, name: &Rc<str>, symbol: Symbol, file: usize) {
        self.names.entry(Rc::clone(name)).or_default().push((symbol, file));
    }

    /// The features that options in a scope leave.
    fn features_in(
        &self,
        scope: &Scope<'_>,
        name: &str,
        spot: Spot,
        options: &[Setting<'f>],
    ) -> Result<Rc<Features>, Refused> {
        if features_of(options).next().is_none() {
            return Ok(Rc::clone(&scope.features));
        }
        let reader = Reader { index: self, file: scope.file, path: scope.shown };
        // What is wrong with them is told where all options are read.
        let options = reader.read(name, features_of(options), &mut Warnings::default());
        let features = scope.features.with(&options);
        short(&features, scope.path, spot)?;
        Ok(features)
    }

    fn full_name(
        &self,
        scope: &Scope<'_>,
        name: &str,
        spot: Spot,
        warnings: &mut Warnings,
    ) -> Result<Rc<str>, Refused> {
        let full = join(&scope.name, name);
        if full.len() > NAME_BYTES_MAX {
            let message = format!("A full name has more than {NAME_BYTES_MAX} bytes, which is the most that is read.");
            return Err(Refused::new("too-long-name", message).at(scope.path, spot.line, spot.column));
        }
        if self.names.contains_key(&full) {
            let message = format!("The name {} is defined a second time.", quote(&full));
            warnings.push("duplicate-name", message, scope.shown, spot.line, &full);
        }
        Ok(full)
    }

    /// The full name of what a name stands for.
    pub(super) fn name(&self, symbol: Symbol) -> &str {
        match symbol {
            Symbol::Message(id) => self.messages.get(id).map(|def| &*def.name),
            Symbol::Enum(id) => self.enums.get(id).map(|def| &*def.name),
            Symbol::Extension(id) => self.extensions.get(id).map(|name| &**name),
        }
        .unwrap_or_default()
    }

    /// Looks a name up from a scope outwards. What the file does not import is found too, if nothing else is.
    pub(super) fn resolve(&self, file: usize, scope: &str, name: &str, want: Want) -> Option<Found> {
        if let Some(full) = name.strip_prefix('.') {
            return self.look_up(file, full, want);
        }
        let mut hidden = None;
        let mut scope = scope;
        let mut full = String::with_capacity(scope.len() + name.len() + 1);
        loop {
            full.clear();
            full.push_str(scope);
            if !scope.is_empty() {
                full.push('.');
            }
            full.push_str(name);
            match self.look_up(file, &full, want) {
                Some(found) if found.is_visible => return Some(found),
                found => hidden = hidden.or(found),
            }
            if scope.is_empty() {
                return hidden;
            }
            scope = scope.rsplit_once('.').map_or("", |(outer, _)| outer);
        }
    }

    fn look_up(&self, file: usize, full: &str, want: Want) -> Option<Found> {
        let mut hidden = None;
        for (symbol, at) in self.names.get(full)? {
            if (want == Want::Extension) != matches!(symbol, Symbol::Extension(_)) {
                continue;
            }
            let is_visible = self.visible.get(file).is_some_and(|visible| visible.get(*at) == Some(&true));
            if is_visible {
                return Some(Found { symbol: *symbol, is_visible });
            }
            hidden.get_or_insert(Found { symbol: *symbol, is_visible });
        }
        hidden
    }
}

struct Scope<'f> {
    file: usize,
    path: &'f str,
    shown: &'f str,
    name: Rc<str>,
    is_message: bool,
    features: Rc<Features>,
}

/// Features are inherited by all that is in their scope, so they must be short.
fn short(features: &Features, path: &str, spot: Spot) -> Result<(), Refused> {
    let bytes = features.others().map_or(0, |json| json.text().len());
    if bytes <= FEATURES_BYTES_MAX {
        return Ok(());
    }
    let message = format!("The features have more than {FEATURES_BYTES_MAX} bytes, which is the most that is read.");
    Err(Refused::new("too-long-features", message).at(path, spot.line, spot.column))
}

/// Those of the options that set features.
fn features_of<'s, 'a>(options: &'s [Setting<'a>]) -> impl Iterator<Item = &'s Setting<'a>> {
    options.iter().filter(|option| option.name.first().is_some_and(|step| step.text == "features"))
}

/// The files that each file sees: itself, those that it imports, and what these hand on.
fn visible(files: &[Loaded<'_>]) -> Vec<Vec<bool>> {
    let seen = |(place, file): (usize, &Loaded<'_>)| {
        let mut seen: Vec<bool> = (0..files.len()).map(|other| other == place).collect();
        let mut walk: Vec<usize> = file.imports.iter().map(|(to, _)| *to).collect();
        while let Some(to) = walk.pop() {
            if seen.get_mut(to).is_some_and(|seen| !std::mem::replace(seen, true))
                && let Some(file) = files.get(to)
            {
                walk.extend(file.imports.iter().filter(|(_, is_public)| *is_public).map(|(to, _)| *to));
            }
        }
        seen
    };
    files.iter().enumerate().map(seen).collect()
}

/// Whether a syntax says that the first value of an enumeration must be zero.
pub(super) fn needs_zero(syntax: Syntax, features: &Features) -> bool {
    syntax == Syntax::Proto3 || !features.is_closed
}
