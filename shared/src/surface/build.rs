//! Making a surface.

use std::hash::BuildHasher as _;
use std::sync::Arc;

use super::digest::Digests;
use super::value::quote;
use super::{
    ElementId, Facet, Format, Json, Name, Operation, Position, Scheme, SchemeId, Server, ServerId, Shape, Surface,
    Text, Type, TypeId, Words,
};
use foldhash::{HashMap, HashSet};

/// Fills a [`Surface`]. Elements are numbered as they come, equal texts are kept once, and plain types are shared.
pub struct Builder {
    surface: Surface,
    texts: HashSet<Text>,
    /// Plain types, by the hash of what they are: two of one hash are not shared, which nobody can tell from the surface's meaning.
    shared: HashMap<u64, TypeId>,
    /// Where texts are written as JSON, to be looked up.
    quoted: String,
}

fn narrow(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

impl Builder {
    /// An empty surface of a format.
    #[must_use]
    pub fn new(format: Format) -> Self {
        let surface = Surface { format, positions: vec![Position::default()], ..Surface::default() };
        Self { surface, texts: HashSet::default(), shared: HashMap::default(), quoted: String::new() }
    }

    /// What the document says of itself: the version of the format, the title, its own version; empty where it says nothing.
    pub fn about(&mut self, format_version: &str, title: &str, api_version: &str) {
        self.surface.format_version = self.words(format_version);
        self.surface.title = self.words(title);
        self.surface.api_version = self.words(api_version);
    }

    /// A file, the root first. Its number is what positions name.
    pub fn file(&mut self, path: &str) -> u32 {
        let path = self.words(path);
        self.surface.files.push(path);
        narrow(self.surface.files.len() - 1)
    }

    /// A text, kept once.
    pub fn text(&mut self, text: &str) -> Text {
        if text.is_empty() {
            return Text::default();
        }
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let text: Text = text.into();
        self.texts.insert(Arc::clone(&text));
        text
    }

    /// A text for people, kept once.
    pub fn words(&mut self, text: &str) -> Words {
        Words(self.text(text))
    }

    /// A JSON value, kept once.
    pub fn json(&mut self, json: &Json) -> Json {
        Json(self.text(&json.0))
    }

    /// A text as a JSON value, kept once.
    pub fn json_text(&mut self, text: &str) -> Json {
        let mut quoted = std::mem::take(&mut self.quoted);
        quoted.clear();
        quote(text, &mut quoted);
        let json = Json(self.text(&quoted));
        self.quoted = quoted;
        json
    }

    /// A new element, and where it stands. Its parent must be older.
    pub fn element(&mut self, position: Position) -> ElementId {
        let id = ElementId(narrow(self.surface.positions.len()));
        self.surface.positions.push(position);
        id
    }

    /// Says of an element what only its format knows; said again, the last one holds. [`ElementId::NONE`] is the document itself.
    pub fn facet(&mut self, element: ElementId, key: &str, value: &Json) {
        let facet = Facet { key: self.text(key), value: self.json(value) };
        let facets = self.surface.facets.entry(element).or_default();
        match facets.binary_search_by(|known| known.key.cmp(&facet.key)) {
            Ok(place) => {
                if let Some(known) = facets.get_mut(place) {
                    *known = facet;
                }
            }
            Err(place) => facets.insert(place, facet),
        }
    }

    /// A place for a type that is not known yet, so that cycles can be written down. Define it before the end: what stays undefined is [`Shape::Any`].
    pub fn reserve(&mut self) -> TypeId {
        self.add(Type::of(Shape::Any))
    }

    /// Says what a reserved type is.
    pub fn define(&mut self, id: TypeId, ty: Type) {
        if let Some(place) = self.surface.types.get_mut(id.0 as usize) {
            *place = ty;
        }
    }

    /// Adds a type of its own.
    pub fn add(&mut self, ty: Type) -> TypeId {
        let id = TypeId(narrow(self.surface.types.len()));
        self.surface.types.push(ty);
        id
    }

    /// Adds a type that may be shared with others that are the same: one without a name, elements of its own inside (fields, values, variants) and
    /// facets. It stands nowhere of its own. Anything else is added as it is.
    pub fn share(&mut self, ty: Type) -> TypeId {
        let plain = matches!(
            ty.shape,
            Shape::Any
                | Shape::Never
                | Shape::Null
                | Shape::Scalar(_)
                | Shape::List(_)
                | Shape::Map(_)
                | Shape::Nullable(_)
        );
        if !plain
            || ty.name != Name::Anonymous
            || self.surface.facets.contains_key(&ty.element) && ty.element != ElementId::NONE
        {
            return self.add(ty);
        }
        let ty = Type { element: ElementId::NONE, summary: Words::default(), ..ty };
        let hash = self.shared.hasher().hash_one(&ty);
        if let Some(known) = self.shared.get(&hash)
            && *self.get(*known) == ty
        {
            return *known;
        }
        let id = self.add(ty);
        self.shared.insert(hash, id);
        id
    }

    /// Adds a shared type of this shape and nothing else.
    pub fn plain(&mut self, shape: Shape) -> TypeId {
        self.share(Type::of(shape))
    }

    /// What was said of a type so far.
    #[must_use]
    pub fn get(&self, id: TypeId) -> &Type {
        self.surface.get(id)
    }

    /// Adds an operation.
    pub fn operation(&mut self, operation: Operation) {
        self.surface.operations.push(operation);
    }

    /// Adds a way to prove who calls.
    pub fn scheme(&mut self, scheme: Scheme) -> SchemeId {
        self.surface.schemes.push(scheme);
        SchemeId(narrow(self.surface.schemes.len() - 1))
    }

    /// Adds a server.
    pub fn server(&mut self, server: Server) -> ServerId {
        self.surface.servers.push(server);
        ServerId(narrow(self.surface.servers.len() - 1))
    }

    /// The surface so far.
    #[must_use]
    pub fn surface(&self) -> &Surface {
        &self.surface
    }

    /// Closes the surface, with its digest.
    #[must_use]
    pub fn finish(mut self) -> Surface {
        self.surface.digest = Digests::of(&self.surface).surface;
        self.surface
    }
}
