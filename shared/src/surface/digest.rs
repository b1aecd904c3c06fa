//! The digest of a surface's meaning.
//!
//! What must not matter: the order of keys and files, white space, YAML or JSON, whether a type is written where it is used or referred to, what a
//! component is called where nobody sees it, and every text for people. The first few are gone when a surface is made; the rest is done here:
//!
//! 1. Each type is written in canonical form with holes for the types that it names (sets sorted, facets in the place of elements, no words).
//! 2. A type that is in no cycle and reaches none has a digest by its form and the digests in its holes, from the leaves up. So a copy has the digest of
//!    what it is a copy of.
//! 3. The others are grouped by bisimulation ([`refine`](super::refine)): two types are one if nobody who walks from them sees a difference. `$ref`s, copies
//!    of them, and cycles that are unrolled some way all become the same smallest graph.
//! 4. That graph's cycles (strongly connected components) are numbered by what they mean, written down as a whole, and a type's digest is
//!    the hash of that and its number. So a type's digest depends on what can be reached from it and nothing else.
//! 5. The surface's digest is over its operations with their types' digests, and the set of digests of types that no operation reaches.

use std::ops::Range;

use foldhash::{HashMap, HashSet};
use ring::digest::{Context, SHA256, digest};

use super::packed::{Packed, Sink};
use super::refine::{Child, Node, Run, arrange, refine};
use super::{ElementId, SchemeId, ServerId, Surface, Text, TypeId};

/// A SHA-256 of a meaning, shown as `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    fn of(bytes: &[u8]) -> Self {
        Self::from(digest(&SHA256, bytes))
    }

    /// Reads what it is shown as.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("sha256:")?.as_bytes();
        let mut hash = [0; 32];
        if digits.len() != 64 {
            return None;
        }
        for (byte, pair) in hash.iter_mut().zip(digits.chunks(2)) {
            let pair = std::str::from_utf8(pair).ok().filter(|pair| !pair.starts_with('+'))?;
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        Some(Self(hash))
    }
}

impl From<ring::digest::Digest> for Digest {
    fn from(digest: ring::digest::Digest) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest.as_ref());
        Self(hash)
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

/// The digests of a surface and of each of its types. Equal digests are equal meanings, within one surface and between two.
#[derive(Clone, Debug)]
pub struct Digests {
    /// The surface's.
    pub surface: Digest,
    /// Each type's, by its number.
    pub types: Vec<Digest>,
}

impl Digests {
    /// Works them out.
    #[must_use]
    pub fn of(surface: &Surface) -> Self {
        let mut meaning = Meaning::new(surface, None);
        let forms: Vec<Form> = surface.types.iter().map(|ty| meaning.form(ty)).collect();
        let types = types(&forms);
        Self { surface: whole(surface, &forms, &types), types }
    }

    /// A type's digest.
    #[must_use]
    pub fn get(&self, id: TypeId) -> Digest {
        self.types.get(id.0 as usize).copied().unwrap_or_default()
    }
}

/// A type with holes for the types that it names.
struct Form {
    shape: Digest,
    children: Vec<u32>,
    runs: Vec<Run>,
}

fn combined(shape: Digest, children: &mut [Digest], runs: &[Run]) -> Digest {
    arrange(children, runs);
    let mut hash = Context::new(&SHA256);
    hash.update(&shape.0);
    for child in children {
        hash.update(&child.0);
    }
    Digest::from(hash.finish())
}

fn types(forms: &[Form]) -> Vec<Digest> {
    let mut digests: Vec<Option<Digest>> = vec![None; forms.len()];
    let children = |id: u32| forms.get(id as usize).map_or(&[][..], |form| form.children.as_slice());
    // Leaves first: whoever is in a cycle, or reaches one, is left for later.
    let (mut cyclic, mut below) = (Vec::new(), Vec::new());
    components(forms.len(), children, |component| {
        let &[id] = component else {
            cyclic.extend_from_slice(component);
            return;
        };
        below.clear();
        below.extend(children(id).iter().map_while(|child| digests.get(*child as usize).copied().flatten()));
        match (forms.get(id as usize), digests.get_mut(id as usize)) {
            (Some(form), Some(place)) if below.len() == form.children.len() => {
                *place = Some(combined(form.shape, &mut below, &form.runs));
            }
            _ => cyclic.push(id),
        }
    });
    if !cyclic.is_empty() {
        cycles(forms, &mut digests, &cyclic);
    }
    digests.into_iter().map(Option::unwrap_or_default).collect()
}

/// The nodes of some types: what is among them is a node, what is not has a digest.
fn nodes(forms: &[Form], digests: &[Option<Digest>], ids: &[u32]) -> (Vec<Node<Digest>>, Vec<Digest>) {
    let places: HashMap<u32, u32> = ids.iter().copied().zip(0..).collect();
    let known = |id: u32| digests.get(id as usize).copied().flatten().unwrap_or_default();
    let forms = || ids.iter().filter_map(|id| forms.get(*id as usize));
    let outside = forms().flat_map(|form| &form.children).filter(|child| !places.contains_key(child));
    let outside: HashSet<Digest> = outside.map(|id| known(*id)).collect();
    let mut outside: Vec<Digest> = outside.into_iter().collect();
    outside.sort_unstable();
    let ranks: HashMap<Digest, u32> = outside.iter().copied().zip(0..).collect();
    let child = |id: &u32| match places.get(id) {
        Some(place) => Child::Node(*place),
        None => Child::Outside(ranks.get(&known(*id)).copied().unwrap_or_default()),
    };
    let node = |form: &Form| Node {
        shape: form.shape,
        children: form.children.iter().map(child).collect(),
        runs: form.runs.clone(),
    };
    (forms().map(node).collect(), outside)
}

/// The digests of types that are in cycles or reach some.
fn cycles(forms: &[Form], digests: &mut [Option<Digest>], ids: &[u32]) {
    let blocks = refine(&nodes(forms, digests, ids).0);
    // The smallest graph that means the same: one type of each block stands for all.
    let mut first: HashMap<u32, u32> = HashMap::default();
    let mut block_of: HashMap<u32, u32> = HashMap::default();
    for (id, block) in ids.iter().zip(&blocks) {
        first.entry(*block).or_insert(*id);
        block_of.insert(*id, *block);
    }
    let stand_in = |id: u32| block_of.get(&id).and_then(|block| first.get(block)).copied().unwrap_or(id);
    let quotient: Vec<Form> = forms
        .iter()
        .map(|form| Form {
            shape: form.shape,
            children: form.children.iter().map(|child| stand_in(*child)).collect(),
            runs: form.runs.clone(),
        })
        .collect();
    let open: Vec<bool> = digests.iter().map(Option::is_none).collect();
    let is_open = |id: u32| open.get(id as usize).copied().unwrap_or_default();
    let children =
        |id: u32| quotient.get(id as usize).filter(|_| is_open(id)).map_or(&[][..], |form| form.children.as_slice());
    let mut below = Vec::new();
    components(forms.len(), children, |component| match *component {
        [id] if !is_open(id) || stand_in(id) != id => {}
        [id] if !children(id).contains(&id) => {
            below.clear();
            let known = |child: &u32| digests.get(*child as usize).copied().flatten().unwrap_or_default();
            below.extend(children(id).iter().map(known));
            if let (Some(form), Some(place)) = (quotient.get(id as usize), digests.get_mut(id as usize)) {
                *place = Some(combined(form.shape, &mut below, &form.runs));
            }
        }
        _ => cycle(&quotient, digests, component),
    });
    for id in ids {
        let digest = digests.get(stand_in(*id) as usize).copied().flatten();
        if let Some(place) = digests.get_mut(*id as usize) {
            *place = digest;
        }
    }
}

/// The digests of the types of one cycle, in which no two mean the same.
fn cycle(forms: &[Form], digests: &mut [Option<Digest>], ids: &[u32]) {
    let (nodes, outside) = nodes(forms, digests, ids);
    let ranks = refine(&nodes);
    let mut written: Vec<(u32, Vec<u8>)> = ranks
        .iter()
        .zip(&nodes)
        .map(|(rank, node)| {
            let mut children: Vec<Child> = node
                .children
                .iter()
                .map(|child| match child {
                    Child::Node(node) => Child::Node(ranks.get(*node as usize).copied().unwrap_or_default()),
                    outside @ Child::Outside(_) => *outside,
                })
                .collect();
            arrange(&mut children, &node.runs);
            let mut bytes = node.shape.0.to_vec();
            for child in children {
                match child {
                    Child::Node(rank) => {
                        bytes.push(1);
                        bytes.extend(rank.to_le_bytes());
                    }
                    Child::Outside(rank) => {
                        bytes.push(0);
                        bytes.extend(outside.get(rank as usize).copied().unwrap_or_default().0);
                    }
                }
            }
            (*rank, bytes)
        })
        .collect();
    written.sort_unstable();
    let all: Vec<u8> = written.into_iter().flat_map(|(_, bytes)| bytes).collect();
    let all = Digest::of(&all);
    for (id, rank) in ids.iter().zip(ranks) {
        if let Some(place) = digests.get_mut(*id as usize) {
            let mut bytes = all.0.to_vec();
            bytes.extend(rank.to_le_bytes());
            *place = Some(Digest::of(&bytes));
        }
    }
}

/// Finds the strongly connected components of a graph, those first that others lead to (Tarjan's algorithm, without recursion).
fn components<'g>(count: usize, children: impl Fn(u32) -> &'g [u32], mut found: impl FnMut(&[u32])) {
    const UNSEEN: u32 = u32::MAX;
    let (mut index, mut low) = (vec![UNSEEN; count], vec![0_u32; count]);
    let mut on_stack = vec![false; count];
    let (mut stack, mut walk, mut counter) = (Vec::new(), Vec::new(), 0_u32);
    let at = |table: &[u32], id: u32| table.get(id as usize).copied().unwrap_or_default();
    for root in 0..u32::try_from(count).unwrap_or(u32::MAX) {
        if at(&index, root) != UNSEEN {
            continue;
        }
        walk.push((root, 0));
        while let Some((id, next)) = walk.pop() {
            let place = id as usize;
            if next == 0 && at(&index, id) == UNSEEN {
                if let (Some(index), Some(low), Some(on_stack)) =
                    (index.get_mut(place), low.get_mut(place), on_stack.get_mut(place))
                {
                    (*index, *low, *on_stack) = (counter, counter, true);
                }
                counter += 1;
                stack.push(id);
            }
            if let Some(child) = children(id).get(next).copied() {
                walk.push((id, next + 1));
                if at(&index, child) == UNSEEN {
                    walk.push((child, 0));
                } else if on_stack.get(child as usize).copied().unwrap_or_default() {
                    let lowest = at(&low, id).min(at(&index, child));
                    if let Some(low) = low.get_mut(place) {
                        *low = lowest;
                    }
                }
                continue;
            }
            let lowest = at(&low, id);
            if lowest == at(&index, id) {
                let start = stack.iter().rposition(|on| *on == id).unwrap_or_default();
                let component = stack.get(start..).unwrap_or_default();
                for member in component {
                    if let Some(on_stack) = on_stack.get_mut(*member as usize) {
                        *on_stack = false;
                    }
                }
                found(component);
                stack.truncate(start);
            }
            if let Some((parent, _)) = walk.last()
                && let Some(low) = low.get_mut(*parent as usize)
            {
                *low = (*low).min(lowest);
            }
        }
    }
}

fn whole(surface: &Surface, forms: &[Form], types: &[Digest]) -> Digest {
    let mut meaning = Meaning::new(surface, Some(types));
    meaning.part(&surface.format);
    meaning.facets(ElementId::NONE);
    meaning.list(&surface.operations, true);
    let mut reached = vec![false; types.len()];
    let mut walk = std::mem::take(&mut meaning.children);
    while let Some(id) = walk.pop() {
        if let Some(place) = reached.get_mut(id as usize)
            && !std::mem::replace(place, true)
            && let Some(form) = forms.get(id as usize)
        {
            walk.extend(&form.children);
        }
    }
    let known: HashSet<&Digest> =
        types.iter().zip(&reached).filter(|(_, reached)| **reached).map(|(digest, _)| digest).collect();
    let mut others: Vec<&Digest> = types.iter().filter(|digest| !known.contains(digest)).collect();
    others.sort_unstable();
    others.dedup();
    meaning.number(others.len() as u64);
    meaning.bytes.extend(others.iter().flat_map(|digest| digest.0));
    Digest::of(&meaning.bytes)
}

/// Writes the canonical form of a meaning: with digests for types, or with holes.
struct Meaning<'s> {
    surface: &'s Surface,
    filled: Option<&'s [Digest]>,
    bytes: Vec<u8>,
    children: Vec<u32>,
    runs: Vec<Run>,
}

/// Where an item of a list was written.
struct Part {
    bytes: Range<usize>,
    children: Range<usize>,
    runs: Range<usize>,
}

/// Bytes of the length that goes before an item of a list.
const LENGTH: usize = size_of::<u32>();

impl<'s> Meaning<'s> {
    fn new(surface: &'s Surface, filled: Option<&'s [Digest]>) -> Self {
        Self { surface, filled, bytes: Vec::new(), children: Vec::new(), runs: Vec::new() }
    }

    /// A type's form.
    fn form(&mut self, ty: &super::Type) -> Form {
        self.bytes.clear();
        ty.write(self);
        // Copied to their size: there are as many as types.
        let form = Form { shape: Digest::of(&self.bytes), children: self.children.clone(), runs: self.runs.clone() };
        self.children.clear();
        self.runs.clear();
        form
    }

    /// Puts the items of a set in the order of what they mean.
    fn sort(&mut self, mut parts: Vec<Part>) {
        let bytes_of = |part: &Part| self.bytes.get(part.bytes.clone()).unwrap_or_default();
        if !parts.is_sorted_by(|left, right| bytes_of(left) < bytes_of(right)) {
            let first = parts.first();
            let (byte, child, run) =
                first.map_or((0, 0, 0), |part| (part.bytes.start - LENGTH, part.children.start, part.runs.start));
            parts.sort_by(|left, right| bytes_of(left).cmp(bytes_of(right)));
            let old_bytes = self.bytes.split_off(byte);
            let (old_children, old_runs) = (self.children.split_off(child), self.runs.split_off(run));
            // Items that are alike but for their types have no order either.
            for alike in parts.chunk_by(|left, right| {
                let bytes_of = |part: &Part| old_bytes.get(part.bytes.start - byte..part.bytes.end - byte);
                bytes_of(left) == bytes_of(right)
            }) {
                let (start, stride) = (self.children.len(), alike.first().map_or(0, |part| part.children.len()));
                for part in alike {
                    let at = self.children.len();
                    let moved = |run: &Run| Run { start: run.start - part.children.start + at, ..*run };
                    let runs = old_runs.get(part.runs.start - run..part.runs.end - run).unwrap_or_default();
                    self.runs.extend(runs.iter().map(moved));
                    let children = part.children.start - child..part.children.end - child;
                    self.children.extend(old_children.get(children).unwrap_or_default());
                    let bytes = part.bytes.start - LENGTH - byte..part.bytes.end - byte;
                    self.bytes.extend(old_bytes.get(bytes).unwrap_or_default());
                }
                if alike.len() > 1 && stride > 0 {
                    self.runs.push(Run { start, count: alike.len(), stride });
                }
            }
        }
    }

    fn string(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.bytes.extend(text.as_bytes());
    }

    fn facets(&mut self, element: ElementId) {
        let facets = self.surface.facets_of(element);
        self.number(facets.len() as u64);
        for facet in facets {
            self.string(&facet.key);
            self.string(facet.value.text());
        }
    }
}

impl Sink for Meaning<'_> {
    /// Seven bits a byte, the lowest first; the highest bit says that more follow.
    fn number(&mut self, mut number: u64) {
        while let Ok(low) = u8::try_from(number & 0x7f)
            && number > 0x7f
        {
            self.bytes.push(low | 0x80);
            number >>= 7;
        }
        self.bytes.push(u8::try_from(number).unwrap_or_default());
    }

    fn text(&mut self, text: &Text) {
        self.string(text);
    }

    fn words(&mut self, _: &Text) {}

    fn element(&mut self, id: ElementId) {
        if id == ElementId::NONE { self.number(0) } else { self.facets(id) }
    }

    fn type_id(&mut self, id: TypeId) {
        match self.filled {
            Some(digests) => {
                self.bytes.extend_from_slice(&digests.get(id.0 as usize).copied().unwrap_or_default().0);
            }
            None => self.bytes.push(0xff),
        }
        self.children.push(id.0);
    }

    fn scheme(&mut self, id: SchemeId) {
        if let Some(scheme) = self.surface.schemes.get(id.0 as usize) {
            scheme.write(self);
        }
    }

    fn server(&mut self, id: ServerId) {
        if let Some(server) = self.surface.servers.get(id.0 as usize) {
            server.write(self);
        }
    }

    fn list<T: Packed>(&mut self, items: &[T], is_set: bool) {
        self.number(items.len() as u64);
        let is_sorted = is_set && items.len() > 1;
        let mut parts = Vec::with_capacity(if is_sorted { items.len() } else { 0 });
        for item in items {
            // The length of a part goes before it, once it is known.
            let length_at = self.bytes.len();
            self.bytes.extend_from_slice(&[0; LENGTH]);
            let (start, child, run) = (self.bytes.len(), self.children.len(), self.runs.len());
            item.write(self);
            let length = u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX);
            if let Some(place) = self.bytes.get_mut(length_at..start) {
                place.copy_from_slice(&length.to_le_bytes());
            }
            if is_sorted {
                parts.push(Part {
                    bytes: start..self.bytes.len(),
                    children: child..self.children.len(),
                    runs: run..self.runs.len(),
                });
            }
        }
        if is_sorted {
            self.sort(parts);
        }
    }

    fn open(&mut self) -> usize {
        0
    }

    fn part<T: Packed>(&mut self, part: &T) {
        part.write(self);
    }

    fn close(&mut self, _: usize) {}
}
