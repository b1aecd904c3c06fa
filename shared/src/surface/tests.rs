use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// A type of a generated document: who is named is by place, so graphs have cycles of all kinds.
#[derive(Clone, Debug)]
enum Plan {
    Text(u64),
    Record(Vec<(usize, bool)>),
    Union(Vec<usize>),
    List(usize),
    Pair(usize, usize),
    Nullable(usize),
}

fn plans() -> impl Strategy<Value = Vec<Plan>> {
    let target = 0..8_usize;
    let plan = prop_oneof![
        1 => (0..2_u64).prop_map(Plan::Text),
        4 => vec((target.clone(), any::<bool>()), 0..4).prop_map(Plan::Record),
        2 => vec(target.clone(), 1..4).prop_map(Plan::Union),
        2 => target.clone().prop_map(Plan::List),
        1 => (target.clone(), target.clone()).prop_map(|(left, right)| Plan::Pair(left, right)),
        1 => target.prop_map(Plan::Nullable),
    ];
    vec(plan, 1..9)
}

/// Writes a plan down in one of many ways: what is copied and what is referred to, in which order, under which names.
struct Author<'p> {
    plans: &'p [Plan],
    builder: Builder,
    ids: Vec<TypeId>,
    /// One bit for each use of a type: copy or refer.
    whims: u64,
    backwards: bool,
}

impl Author<'_> {
    fn whim(&mut self) -> bool {
        self.whims = self.whims.rotate_left(1).wrapping_mul(0x5851_f42d_4c95_7f2d) | 1;
        self.whims >> 63 == 1
    }

    fn refer(&mut self, to: usize, depth: u32) -> TypeId {
        let to = to % self.plans.len();
        if depth < 3 && self.whims != 0 && self.whim() {
            let ty = self.write(to, depth + 1);
            return self.builder.share(ty);
        }
        self.ids[to]
    }

    fn ordered<T>(&self, mut items: Vec<T>) -> Vec<T> {
        if self.backwards {
            items.reverse();
        }
        items
    }

    fn write(&mut self, plan: usize, depth: u32) -> Type {
        let element = self.builder.element(Position { line: depth, ..Position::default() });
        let shape = match self.plans[plan].clone() {
            Plan::Text(max) => Shape::Scalar(Box::new(Scalar { max_length: Some(max), ..Scalar::default() })),
            Plan::Record(fields) => {
                let fields = (0..).zip(fields).map(|(place, (to, required)): (u32, _)| Field {
                    element: ElementId::NONE,
                    name: format!("f{place}").into(),
                    ty: self.refer(to, depth),
                    presence: if required { Presence::Required } else { Presence::Optional },
                    summary: Words::default(),
                    direction: Direction::Both,
                    deprecated: false,
                    default: None,
                    arguments: Vec::new(),
                });
                let fields = fields.collect();
                Shape::Record(Box::new(Record { fields: self.ordered(fields), ..Record::default() }))
            }
            Plan::Union(targets) => {
                let variants =
                    targets.into_iter().map(|to| Variant { element, ty: self.refer(to, depth), tag: "".into() });
                let variants = variants.collect();
                Shape::Union(Union { variants: self.ordered(variants), ..Union::default() })
            }
            Plan::List(to) => Shape::List(List { items: Some(self.refer(to, depth)), ..List::default() }),
            Plan::Pair(left, right) => {
                let prefix = Sequence(vec![self.refer(left, depth), self.refer(right, depth)]);
                Shape::List(List { prefix, ..List::default() })
            }
            Plan::Nullable(to) => Shape::Nullable(self.refer(to, depth)),
        };
        Type { element, summary: Words(format!("{plan} at {depth}").into()), ..Type::of(shape) }
    }
}

fn operation(builder: &mut Builder, ty: TypeId) {
    let content = Content { element: ElementId::NONE, media_type: "application/json".into(), ty, item: None };
    let outcome = Outcome {
        element: ElementId::NONE,
        status: "200".into(),
        summary: Words::default(),
        contents: vec![content],
        headers: Vec::new(),
    };
    let element = builder.element(Position { line: 3, column: 5, step: "/paths/~1/get".into(), ..Position::default() });
    builder.operation(Operation {
        element,
        id: "get".into(),
        kind: OperationKind::Http { method: "GET".into(), path: "/".into() },
        summary: Words("Gets".into()),
        tags: Vec::new(),
        deprecated: false,
        inputs: Vec::new(),
        outcomes: vec![outcome],
        security: Vec::new(),
        servers: Vec::new(),
        http: Vec::new(),
    });
}

fn surface(plans: &[Plan], whims: u64, backwards: bool) -> Surface {
    let mut builder = Builder::new(Format::OpenApi);
    builder.file("api.yaml");
    let mut ids: Vec<TypeId> = plans.iter().map(|_| builder.reserve()).collect();
    if backwards {
        ids.reverse();
    }
    let mut author = Author { plans, builder, ids, whims, backwards };
    for plan in author.ordered((0..plans.len()).collect()) {
        let ty = author.write(plan, 0);
        let name = Name::Alias(format!("Name{plan}{whims}").into());
        author.builder.define(author.ids[plan], Type { name, ..ty });
    }
    let root = author.ids[0];
    operation(&mut author.builder, root);
    author.builder.finish()
}

/// Which types mean the same, by the definition: split until nothing splits any more.
fn alike(plans: &[Plan]) -> Vec<usize> {
    let mut class = vec![0; plans.len()];
    for _ in 0..=plans.len() {
        let of = |to: &usize| class[to % plans.len()];
        let keys: Vec<String> = plans
            .iter()
            .map(|plan| match plan {
                Plan::Text(max) => format!("text {max}"),
                Plan::Record(fields) => {
                    format!("record {:?}", fields.iter().map(|(to, required)| (of(to), required)).collect::<Vec<_>>())
                }
                Plan::Union(targets) => {
                    let mut targets: Vec<usize> = targets.iter().map(of).collect();
                    targets.sort_unstable();
                    format!("union {targets:?}")
                }
                Plan::List(to) => format!("list {}", of(to)),
                Plan::Pair(left, right) => format!("pair {} {}", of(left), of(right)),
                Plan::Nullable(to) => format!("nullable {}", of(to)),
            })
            .collect();
        class = keys.iter().map(|key| keys.iter().position(|first| first == key).unwrap()).collect();
    }
    class
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_digest_does_not_see_how_a_document_is_written(plans in plans(), whims in any::<u64>(), backwards in any::<bool>()) {
        let referred = surface(&plans, 0, false);
        let other = surface(&plans, whims, backwards);
        prop_assert_eq!(referred.digest, other.digest);
    }

    #[test]
    fn types_have_one_digest_exactly_if_they_mean_the_same(plans in plans(), whims in any::<u64>()) {
        let surface = surface(&plans, whims, false);
        let digests = Digests::of(&surface);
        let named: Vec<Digest> = (0..u32::try_from(plans.len()).unwrap()).map(|id| digests.get(TypeId(id))).collect();
        let expected = alike(&plans);
        for (left, a) in named.iter().enumerate() {
            for (right, b) in named.iter().enumerate() {
                prop_assert_eq!(a == b, expected[left] == expected[right], "{} {}", left, right);
            }
        }
    }

    #[test]
    fn a_types_digest_is_its_own_whatever_else_there_is(plans in plans(), more in plans()) {
        let alone = Digests::of(&surface(&plans, 0, false));
        let own = plans.len();
        let mut both: Vec<Plan> = plans.iter().map(|plan| within(plan, 0, own)).collect();
        both.extend(more.iter().map(|plan| within(plan, own, more.len())));
        let both = Digests::of(&surface(&both, 0, false));
        prop_assert_eq!(&alone.types[..own], &both.types[..own]);
    }

    #[test]
    fn every_edit_changes_the_digest(plans in plans(), at in any::<prop::sample::Index>(), kind in 0..5) {
        let at = at.index(plans.len());
        let mut edited = plans.clone();
        match (kind, &mut edited[at]) {
            (0, Plan::Record(fields)) if !fields.is_empty() => {
                // A field more than any other record has.
                fields.resize(9, (0, true));
            }
            (1, Plan::Text(max)) => *max += 7,
            (2, Plan::Record(fields)) => fields.resize(12, (at, false)),
            (3, Plan::Union(targets)) => targets.resize(10, 0),
            (_, plan) => *plan = Plan::Text(99),
        }
        prop_assert_ne!(surface(&plans, 0, false).digest, surface(&edited, 0, false).digest);
    }

    #[test]
    fn what_is_packed_is_unpacked(plans in plans(), whims in any::<u64>()) {
        let surface = surface(&plans, whims, false);
        let packed = surface.pack();
        prop_assert_eq!(&packed, &surface.pack());
        let again = Surface::unpack(&packed).unwrap();
        prop_assert_eq!(&again, &surface);
        prop_assert_eq!(Digests::of(&again).surface, surface.digest);
    }

    #[test]
    fn whatever_is_unpacked_names_only_what_is_there(plans in plans(), at in any::<prop::sample::Index>(), byte in any::<u8>(), damage in 0..3) {
        let mut packed = surface(&plans, 0, false).pack();
        let whole = at.index(packed.len());
        let tables = packed.windows(9).position(|window| window == b"\"tables\":").unwrap();
        let numbers: Vec<usize> = (tables..packed.len()).filter(|place| packed[*place].is_ascii_digit()).collect();
        match damage {
            0 => packed.truncate(whole),
            1 => packed[whole] = byte,
            _ => packed[numbers[at.index(numbers.len())]] = b'0' + byte % 10,
        }
        if let Ok(surface) = Surface::unpack(&packed) {
            let count = surface.types.len();
            prop_assert!(named(&surface).iter().all(|id| (id.0 as usize) < count), "a type that is not there");
            prop_assert!(surface.types.iter().all(|ty| (ty.element.0 as usize) < surface.positions.len()));
            prop_assert!(Digests::of(&surface).types.len() == count);
            for position in 0..u32::try_from(surface.positions.len()).unwrap() {
                prop_assert!(surface.path(ElementId(position)).len() < packed.len() * 8);
            }
            prop_assert_eq!(Surface::unpack(&surface.pack()), Ok(surface));
        }
    }
}

/// The types that a generated surface names.
fn named(surface: &Surface) -> Vec<TypeId> {
    let contents =
        surface.operations.iter().flat_map(|operation| &operation.outcomes).flat_map(|outcome| &outcome.contents);
    let of_types = surface.types.iter().flat_map(|ty| match &ty.shape {
        Shape::Record(record) => record.fields.iter().map(|field| field.ty).collect(),
        Shape::Union(union) => union.variants.iter().map(|variant| variant.ty).collect(),
        Shape::List(list) => list.prefix.0.iter().copied().chain(list.items).collect(),
        Shape::Nullable(inner) => vec![*inner],
        _ => Vec::new(),
    });
    contents.map(|content| content.ty).chain(of_types).collect()
}

/// A plan whose targets are among `size` from `start` on.
fn within(plan: &Plan, start: usize, size: usize) -> Plan {
    let to = |to: &usize| start + to % size;
    match plan {
        Plan::Text(max) => Plan::Text(*max),
        Plan::Record(fields) => Plan::Record(fields.iter().map(|(target, required)| (to(target), *required)).collect()),
        Plan::Union(targets) => Plan::Union(targets.iter().map(to).collect()),
        Plan::List(target) => Plan::List(to(target)),
        Plan::Pair(left, right) => Plan::Pair(to(left), to(right)),
        Plan::Nullable(target) => Plan::Nullable(to(target)),
    }
}

#[test]
fn a_cycle_is_the_same_however_it_is_unrolled() {
    let digests = |plans: &[Plan]| Digests::of(&surface(plans, 0, false)).types;
    let once = digests(&[Plan::Record(vec![(0, true)])]);
    let twice = digests(&[Plan::Record(vec![(1, true)]), Plan::Record(vec![(0, true)])]);
    let before = digests(&[Plan::Record(vec![(1, true)]), Plan::Record(vec![(1, true)])]);
    assert_eq!([twice[0], twice[1], before[0], before[1]], [once[0]; 4]);
    let optional = digests(&[Plan::Record(vec![(1, true)]), Plan::Record(vec![(0, false)])]);
    assert!(!optional.contains(&once[0]) && optional[0] != optional[1]);
}

#[test]
fn long_chains_and_rings_take_time_in_proportion() {
    // A chain that ends in a ring, in which every type differs from all others only at the far end.
    let count = 20_000;
    let mut plans: Vec<Plan> = (1..count).map(|next| Plan::Record(vec![(next, true)])).collect();
    plans.push(Plan::Record(vec![(0, false), (0, true)]));
    let digests = Digests::of(&surface(&plans, 0, false)).types;
    let different: std::collections::BTreeSet<&Digest> = digests.iter().collect();
    assert_eq!(different.len(), count);
    assert_eq!(surface(&plans, 0, true).digest, surface(&plans, 0, false).digest);
}

#[test]
fn words_and_positions_are_not_meaning_and_facets_are() {
    let make = |line, summary: &str, facet: Option<&str>, name: Name| {
        let mut builder = Builder::new(Format::Protobuf);
        let element = builder.element(Position { line, ..Position::default() });
        if let Some(facet) = facet {
            builder.facet(element, "protobuf.number", &Json::of_text(facet));
        }
        let summary = builder.words(summary);
        let ty = builder.add(Type { element, name, summary, ..Type::of(Shape::Scalar(Box::default())) });
        operation(&mut builder, ty);
        builder.finish().digest
    };
    let digest = make(1, "", None, Name::Anonymous);
    assert_eq!(digest, make(9, "Something", None, Name::Alias("A".into())));
    assert_ne!(digest, make(1, "", Some("1"), Name::Anonymous));
    assert_ne!(make(1, "", Some("1"), Name::Anonymous), make(1, "", Some("2"), Name::Anonymous));
    assert_ne!(digest, make(1, "", None, Name::Nominal("A".into())));
    assert_ne!(make(1, "", None, Name::Nominal("B".into())), make(1, "", None, Name::Nominal("A".into())));
}

#[test]
fn the_form_is_one_line_of_versioned_json() {
    let mut builder = Builder::new(Format::OpenApi);
    builder.about("3.1.0", "A \"b\"\n", "1");
    builder.file("api.yaml");
    let text = builder.plain(Shape::Scalar(Box::default()));
    assert_eq!(builder.plain(Shape::Scalar(Box::default())), text, "plain types are shared");
    operation(&mut builder, text);
    let surface = builder.finish();
    let digest = surface.digest;
    assert_eq!(
        String::from_utf8(surface.pack()).unwrap(),
        format!(
            "{{\"v\":2,\"digest\":\"{digest}\",\"texts\":[\"3.1.0\",\"A \\\"b\\\"\\n\",\"1\",\"api.yaml\",\"/paths/~1/get\",\"get\",\"GET\",\"/\",\
             \"Gets\",\"200\",\"application/json\"],\"tables\":[1,1,1,1,[1],[1,0,0,2],[[],[1,6,0,10]],[],[],[],\
             [[1,1,[1,1,1],1,[],[[0,1,[[0,0,1]]]]]],[[[4]]]]}}"
        )
    );
    assert_eq!(Surface::unpack(b"{\"v\":1}"), Err(Unreadable::Version));
    assert_eq!(Surface::unpack(b"{\"v\":2}"), Err(Unreadable::Damaged));
    assert_eq!(Surface::unpack(b"nothing"), Err(Unreadable::Damaged));
    // Three bytes for each of them, and twenty times as much in memory.
    let many = "[],".repeat(5_000_000);
    let many = format!(
        "{{\"v\":2,\"digest\":\"{digest}\",\"texts\":[],\"tables\":[1,0,0,0,[],[0,0,0,1],[[]],[],[{many}[]]]}}"
    );
    assert_eq!(Surface::unpack(many.as_bytes()), Err(Unreadable::TooLarge));
}

#[test]
fn a_name_is_written_once_where_it_ends_its_path_and_no_number_of_a_text_leads_astray() {
    let mut builder = Builder::new(Format::GraphQl);
    let step = builder.text(".customer");
    let element = builder.element(Position { line: 2, step, ..Position::default() });
    let text = builder.text("customer");
    builder.add(Type { element, name: Name::Nominal(text), ..Type::of(Shape::Any) });
    let surface = builder.finish();
    let packed = String::from_utf8(surface.pack()).unwrap();
    assert!(packed.contains("\"texts\":[\".customer\",1]"), "{packed}");
    assert_eq!(Surface::unpack(packed.as_bytes()), Ok(surface));
    // Itself, nothing, and one end for two: a short text must not stand for a long one again and again.
    for texts in ["[\".customer\",2]", "[\".customer\",0]", "[\".customer\",1,1]", "[\"customer\",1]"] {
        let damaged = packed.replace("[\".customer\",1]", texts);
        assert_eq!(Surface::unpack(damaged.as_bytes()), Err(Unreadable::Damaged), "{texts}");
    }
}
