//! One of the two surfaces, made ready to be compared: types as sets that hold at once, their alternatives, and what one alternative is made of.
//!
//! A **set** of types stands for all values that fit every one of them. `allOf`, references and what a union has beside its variants all become sets, so
//! that two documents that say the same in other words come to the same parts. Types of one meaning (one digest) are one type here.

use std::collections::BTreeMap;
use std::rc::Rc;

use foldhash::HashMap;
use ring::digest::{SHA256, digest};
use shared::surface::{Digest, Digests, ElementId, Fits, Name, Presence, Residual, Shape, Surface, Text, Type, TypeId};

use super::flat::{Field, Flat, Kind, Listing, Numbers, Record};

/// Alternatives of one set. More are not compared.
pub(super) const ALTERNATIVES_MAX: usize = 256;
/// Levels of types in one another that are looked through for one that nothing fits.
const DEPTH_MAX: u32 = 50;
/// Sets of one surface.
const SETS_MAX: usize = 400_000;

/// A set of types, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct SetId(pub u32);

/// A type in a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Member {
    /// Null, which was chosen of a type or null.
    Null,
    /// All that the type says.
    Whole(u32),
    /// What the type says beside its shape, which was opened.
    Rest(u32),
}

/// One of the ways in which a value can fit a set: every type in it has one kind of shape.
#[derive(Clone, Debug)]
pub(super) struct Alternative {
    /// The set.
    pub set: SetId,
    /// What a value calls it, or the name of its type for people; empty for none.
    pub label: Text,
    /// Where it stands among the others.
    pub element: ElementId,
}

/// What tells the alternatives of a set apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Telling {
    pub field: Text,
    /// Its values with the types that they stand for.
    pub mapping: Vec<(Text, SetId)>,
    /// Where it stands.
    pub element: ElementId,
}

pub(super) struct Side<'s> {
    pub surface: &'s Surface,
    digests: Vec<Digest>,
    /// For each type the one that stands for all of its meaning.
    canonical: Vec<u32>,
    sets: Vec<(Vec<Member>, Digest)>,
    known: HashMap<Vec<Member>, SetId>,
    /// The name and the place of the type that a set was first made of.
    origins: HashMap<SetId, (Option<&'s Text>, ElementId)>,
    alternatives: HashMap<SetId, Option<Rc<[Alternative]>>>,
    flats: HashMap<SetId, Rc<Flat>>,
    depth: u32,
    /// There were more sets than are kept: what came after is any value.
    pub is_full: bool,
}

impl<'s> Side<'s> {
    pub(super) fn new(surface: &'s Surface) -> Self {
        let digests = Digests::of(surface).types;
        // Of types that mean the same, one with a name stands for all, and the least of the names.
        let mut first: HashMap<Digest, u32> = HashMap::default();
        let rank = |id: u32| {
            let name = surface.types.get(id as usize).map(|ty| ty.name.text()).unwrap_or_default();
            (name.is_empty(), name, id)
        };
        for (id, digest) in (0_u32..).zip(&digests) {
            let known = first.entry(*digest).or_insert(id);
            if rank(id) < rank(*known) {
                *known = id;
            }
        }
        let canonical = digests.iter().zip(0_u32..).map(|(digest, id)| first.get(digest).copied().unwrap_or(id));
        let canonical = canonical.collect();
        let mut side = Self {
            surface,
            digests,
            canonical,
            sets: Vec::new(),
            known: HashMap::default(),
            origins: HashMap::default(),
            alternatives: HashMap::default(),
            flats: HashMap::default(),
            depth: 0,
            is_full: false,
        };
        // The empty set, which any value fits, is the first.
        side.intern(Vec::new());
        side
    }

    /// The set that any value fits.
    pub(super) const ANY: SetId = SetId(0);

    /// A type's digest.
    pub(super) fn type_digest(&self, id: TypeId) -> Digest {
        self.digests.get(id.0 as usize).copied().unwrap_or_default()
    }

    /// The set of one type.
    pub(super) fn of(&mut self, id: TypeId) -> SetId {
        let whole = self.whole(id);
        let set = self.intern(vec![whole]);
        if set != Self::ANY
            && let Member::Whole(id) = whole
        {
            let ty = self.ty(id);
            let known = self.origins.entry(set).or_insert((None, ElementId::NONE));
            if let (None, Name::Alias(name) | Name::Nominal(name)) = (known.0, &ty.name) {
                known.0 = Some(name);
            }
            if known.1 == ElementId::NONE {
                known.1 = ty.element;
            }
        }
        set
    }

    /// What fits two sets.
    pub(super) fn both(&mut self, left: SetId, right: SetId) -> SetId {
        let mut members = self.members(left).to_vec();
        members.extend_from_slice(self.members(right));
        self.intern(members)
    }

    fn whole(&self, id: TypeId) -> Member {
        Member::Whole(self.canonical.get(id.0 as usize).copied().unwrap_or(id.0))
    }

    fn members(&self, set: SetId) -> &[Member] {
        self.sets.get(set.0 as usize).map_or(&[], |(members, _)| members)
    }

    fn ty(&self, id: u32) -> &'s Type {
        self.surface.get(TypeId(id))
    }

    /// The digest of a set's meaning: equal ones mean the same on both sides.
    pub(super) fn digest(&self, set: SetId) -> Digest {
        self.sets.get(set.0 as usize).map(|(_, digest)| *digest).unwrap_or_default()
    }

    fn intern(&mut self, members: Vec<Member>) -> SetId {
        let mut flat = Vec::with_capacity(members.len());
        let mut todo = members;
        let mut steps = 0;
        while let Some(member) = todo.pop() {
            steps += 1;
            if flat.contains(&member) || steps > 10_000 {
                continue;
            }
            let Member::Whole(id) = member else {
                flat.push(member);
                continue;
            };
            let ty = self.ty(id);
            match &ty.shape {
                Shape::Intersection(parts) => {
                    todo.extend(parts.iter().map(|part| self.whole(*part)));
                    if has_rest(ty) {
                        flat.push(Member::Rest(id));
                    }
                }
                Shape::Any if !has_rest(ty) && !self.is_unresolved(ty) => {}
                _ => flat.push(member),
            }
        }
        flat.sort_unstable();
        flat.dedup();
        if let Some(known) = self.known.get(&flat) {
            return *known;
        }
        if self.sets.len() >= SETS_MAX {
            self.is_full = true;
            return Self::ANY;
        }
        let id = SetId(u32::try_from(self.sets.len()).unwrap_or(u32::MAX));
        let digest = self.digest_of(&flat);
        self.known.insert(flat.clone(), id);
        self.sets.push((flat, digest));
        id
    }

    fn digest_of(&self, members: &[Member]) -> Digest {
        let of = |id: u32| self.digests.get(id as usize).copied().unwrap_or_default();
        if let [Member::Whole(id)] = members {
            return of(*id);
        }
        let mut parts: Vec<[u8; 33]> = members
            .iter()
            .map(|member| {
                let (kind, id) = match member {
                    Member::Null => (0, Digest::default()),
                    Member::Whole(id) => (1, of(*id)),
                    Member::Rest(id) => (2, of(*id)),
                };
                let mut part = [kind; 33];
                part.iter_mut().skip(1).zip(id.0).for_each(|(place, byte)| *place = byte);
                part
            })
            .collect();
        parts.sort_unstable();
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, &parts.concat()).as_ref());
        Digest(hash)
    }

    fn is_unresolved(&self, ty: &Type) -> bool {
        self.surface.facet(ty.element, "surface.unresolved").is_some()
    }

    /// Whether something in the set is a reference that leads nowhere.
    pub(super) fn has_unresolved(&self, set: SetId) -> bool {
        self.members(set).iter().any(|member| matches!(member, Member::Whole(id) if self.is_unresolved(self.ty(*id))))
    }

    /// What the type is called that the set was made of.
    pub(super) fn name(&self, set: SetId) -> Option<&'s Text> {
        self.origins.get(&set).and_then(|(name, _)| *name)
    }

    /// The name that callers see of the type, or of the type that may be null.
    pub(super) fn nominal(&self, set: SetId) -> Option<&'s Text> {
        let [Member::Whole(id)] = self.members(set) else { return None };
        let ty = match &self.ty(*id).shape {
            Shape::Nullable(inner) => self.surface.get(*inner),
            _ => self.ty(*id),
        };
        if let Name::Nominal(name) = &ty.name { Some(name) } else { None }
    }

    /// Whether the set is a type or null.
    pub(super) fn is_nullable(&self, set: SetId) -> bool {
        matches!(self.members(set), [Member::Whole(id)] if matches!(self.ty(*id).shape, Shape::Nullable(_)))
    }

    /// Where the set stands, if any of its types stands somewhere.
    pub(super) fn element(&self, set: SetId) -> Option<ElementId> {
        let origin = self.origins.get(&set).map(|(_, element)| *element).into_iter();
        origin.chain(self.types(set).map(|ty| ty.element)).find(|element| *element != ElementId::NONE)
    }

    /// The value that is taken where none is given, if one of the types says so.
    pub(super) fn default(&self, set: SetId) -> Option<&'s str> {
        self.types(set).find_map(|ty| ty.default.as_ref()).map(shared::surface::Json::text)
    }

    /// Whether one of the types is deprecated.
    pub(super) fn is_deprecated(&self, set: SetId) -> bool {
        self.types(set).any(|ty| ty.deprecated)
    }

    /// The facets of the types in the set, without those of unions' variants.
    pub(super) fn facets(&self, set: SetId) -> BTreeMap<&'s str, &'s str> {
        // No element has those of the document itself.
        let types = self.types(set).filter(|ty| ty.element != ElementId::NONE);
        let facets = types.flat_map(|ty| self.surface.facets_of(ty.element));
        facets.map(|facet| (&*facet.key, facet.value.text())).collect()
    }

    /// The types of which a set is made.
    fn types(&self, set: SetId) -> impl Iterator<Item = &'s Type> + '_ {
        self.members(set).iter().filter_map(|member| match member {
            Member::Whole(id) | Member::Rest(id) => Some(self.ty(*id)),
            Member::Null => None,
        })
    }

    /// What the algebra does not express of the set.
    pub(super) fn residuals(&self, set: SetId) -> Vec<&'s Residual> {
        self.types(set).flat_map(|ty| &ty.residuals).collect()
    }

    /// How many of its variants a value fits, by the unions of the set: `oneOf` is stricter.
    pub(super) fn is_exclusive(&self, set: SetId) -> bool {
        self.types(set).any(|ty| matches!(&ty.shape, Shape::Union(union) if union.fits == Fits::One))
    }

    /// The field that tells the alternatives of a set apart.
    pub(super) fn telling(&mut self, set: SetId) -> Option<Telling> {
        let found = self.types(set).find_map(|ty| match &ty.shape {
            Shape::Union(union) => union.discriminator.as_ref().map(|known| (known, ty.element)),
            _ => None,
        });
        let (discriminator, element) = found?;
        let mapping = discriminator.mapping.iter().map(|mapped| (mapped.value.clone(), self.of(mapped.ty))).collect();
        Some(Telling { field: discriminator.field.clone(), mapping, element })
    }

    /// The alternatives of a set; nothing where there are more than [`ALTERNATIVES_MAX`]. None of them can be impossible.
    pub(super) fn alternatives(&mut self, set: SetId) -> Option<Rc<[Alternative]>> {
        if let Some(known) = self.alternatives.get(&set) {
            return known.clone();
        }
        // Who asks again on the way, in a cycle, is told that it is not known.
        self.alternatives.insert(set, None);
        self.depth += 1;
        let found = self.find_alternatives(set).map(Rc::from);
        self.depth -= 1;
        self.alternatives.insert(set, found.clone());
        found
    }

    fn find_alternatives(&mut self, set: SetId) -> Option<Vec<Alternative>> {
        let whole = Alternative { set, label: "".into(), element: ElementId::NONE };
        let (mut todo, mut found) = (vec![whole], Vec::new());
        let mut steps = 0;
        while let Some(next) = todo.pop() {
            steps += 1;
            if steps > 8 * ALTERNATIVES_MAX || todo.len() > 4 * ALTERNATIVES_MAX {
                return None;
            }
            let opened = self.members(next.set).iter().copied().find_map(|member| match member {
                Member::Whole(id) if matches!(self.ty(id).shape, Shape::Union(_) | Shape::Nullable(_)) => Some(id),
                _ => None,
            });
            let Some(opened) = opened else {
                if !self.is_impossible(next.set) {
                    found.push(next);
                }
                if found.len() > ALTERNATIVES_MAX {
                    return None;
                }
                continue;
            };
            let ty = self.ty(opened);
            let others: Vec<Member> =
                self.members(next.set).iter().copied().filter(|member| *member != Member::Whole(opened)).collect();
            let rest = has_rest(ty).then_some(Member::Rest(opened));
            let mut choose = |side: &mut Self, chosen: Member, label: &Text, element: ElementId| {
                let members = others.iter().copied().chain(rest).chain([chosen]).collect();
                let label = if label.is_empty() { next.label.clone() } else { label.clone() };
                let element = if element == ElementId::NONE { next.element } else { element };
                todo.push(Alternative { set: side.intern(members), label, element });
            };
            match &ty.shape {
                Shape::Nullable(inner) => {
                    let inner = self.whole(*inner);
                    choose(self, inner, &"".into(), ElementId::NONE);
                    choose(self, Member::Null, &"".into(), ElementId::NONE);
                }
                Shape::Union(union) => {
                    for variant in union.variants.iter().rev() {
                        let named = match &self.surface.get(variant.ty).name {
                            Name::Alias(name) | Name::Nominal(name) => name.clone(),
                            Name::Anonymous => variant.tag.clone(),
                        };
                        let member = self.whole(variant.ty);
                        choose(self, member, &named, variant.element);
                    }
                }
                _ => {}
            }
        }
        // One of a meaning is enough.
        let mut seen = foldhash::HashSet::default();
        found.retain(|alternative| seen.insert(self.digest(alternative.set)));
        Some(found)
    }

    /// Whether nothing fits a set without unions: nothing of its kind, or nothing that must be in it.
    fn is_impossible(&mut self, set: SetId) -> bool {
        let flat = self.flat(set);
        let needed: Vec<SetId> = match &flat.kind {
            Kind::Never => return true,
            _ if flat.implied || self.depth > DEPTH_MAX => return false,
            Kind::Record(record) => {
                record.fields.values().filter(|field| is_required(field.presence)).map(|field| field.set).collect()
            }
            Kind::List(list) if list.min > Some(0) => list.prefix.first().copied().or(list.items).into_iter().collect(),
            _ => return false,
        };
        needed.into_iter().any(|needed| self.alternatives(needed).is_some_and(|found| found.is_empty()))
    }

    /// What a set without unions is made of.
    pub(super) fn flat(&mut self, set: SetId) -> Rc<Flat> {
        if let Some(known) = self.flats.get(&set) {
            return Rc::clone(known);
        }
        // What is in a cycle of nothing but itself can be anything.
        self.flats.insert(set, Rc::new(Flat::any()));
        let mut flat = Flat::any();
        for member in self.members(set).to_vec() {
            let part = match member {
                Member::Null => Flat { kind: Kind::Null, ..Flat::any() },
                Member::Whole(id) => self.flat_type(id),
                Member::Rest(_) => continue,
            };
            flat = self.merge(flat, part);
        }
        let flat = Rc::new(flat);
        self.flats.insert(set, Rc::clone(&flat));
        flat
    }

    fn flat_type(&mut self, id: u32) -> Flat {
        let ty = self.ty(id);
        let kind = match &ty.shape {
            // Opened before; a set that is not opened is only asked for its kind.
            Shape::Any | Shape::Union(_) | Shape::Nullable(_) | Shape::Intersection(_) => Kind::Any,
            Shape::Never => Kind::Never,
            Shape::Null => Kind::Null,
            Shape::Scalar(scalar) => Kind::Scalar(Box::new(Numbers::of(scalar))),
            Shape::Enum(list) => Kind::Enum { values: list.values.clone(), open: list.open },
            Shape::Record(record) => Kind::Record(Box::new(self.record(record, ty))),
            Shape::List(list) => Kind::List(Listing {
                items: list.items.map(|items| self.of(items)),
                prefix: list.prefix.0.iter().map(|part| self.of(*part)).collect(),
                min: list.min_items,
                max: list.max_items,
                unique: list.unique,
            }),
            Shape::Map(map) => Kind::Map { key: self.of(map.key), value: self.of(map.value) },
        };
        let nominal = match &ty.name {
            Name::Nominal(name) => Some(name.clone()),
            _ => None,
        };
        Flat { kind, implied: ty.implied, nominal, asides: Vec::new() }
    }

    fn record(&mut self, record: &'s shared::surface::Record, ty: &'s Type) -> Record {
        let mut fields = BTreeMap::new();
        for field in &record.fields {
            let flat = Field {
                element: field.element,
                set: self.of(field.ty),
                presence: field.presence,
                direction: field.direction,
                deprecated: field.deprecated,
                default: field.default.as_ref().map(|json| json.text().into()),
                arguments: field.arguments.clone(),
                is_declared: true,
            };
            fields.insert(field.name.clone(), flat);
        }
        for name in &record.also_required {
            fields.entry(name.clone()).or_insert_with(|| Field::undeclared(ty.element));
        }
        Record {
            fields,
            additional: record.additional.map(|additional| self.of(additional)),
            patterns: record.patterns.iter().map(|pattern| (pattern.pattern.clone(), self.of(pattern.ty))).collect(),
            min: record.min_fields,
            max: record.max_fields,
            choices: record.choices.clone(),
            dependent: record.dependent.clone(),
            interfaces: record.interfaces.clone(),
            is_interface: record.is_interface,
        }
    }

    /// Whether nothing fits the set.
    pub(super) fn is_never(&mut self, set: SetId) -> bool {
        matches!(self.flat(set).kind, Kind::Never)
    }
}

/// Whether a type says something beside its shape.
fn has_rest(ty: &Type) -> bool {
    !ty.residuals.is_empty()
        || ty.default.is_some()
        || ty.deprecated
        || matches!(&ty.shape, Shape::Union(union) if union.discriminator.is_some() || union.fits == Fits::One)
}

pub(super) fn least<T: Ord>(left: Option<T>, right: Option<T>) -> Option<T> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.min(right)),
        (left, right) => left.or(right),
    }
}

/// Whether something must be there.
pub(super) fn is_required(presence: Presence) -> bool {
    presence == Presence::Required
}
