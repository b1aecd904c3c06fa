//! Each rule of the ledger is broken by numbers that break it, and by nothing else.

use super::*;

/// A run in which everything adds up: ten calls, of which one was refused and two failed and were given back.
fn sound() -> Ledger {
    let line = Line {
        sent: 10,
        reached: 9,
        reached_units: 9,
        failing: 2,
        leased: false,
        served_units: 7,
        kept_units: [4, 3],
        quota: Some(8),
        used: 3,
        left_behind: 0,
        writes: 11,
        grant_admitted: 9,
        grant_refunded: 2,
        admitted: 9,
        refunded: 2,
        units: 7,
        invoiced: Some(Invoiced { invoices: 2, units: 7, proven: 2 }),
    };
    Ledger {
        sent: 10,
        seed: 1,
        took: Duration::ZERO,
        again: 0,
        answers: [("200".to_owned(), 7), ("500".to_owned(), 2), ("429".to_owned(), 1)].into(),
        lines: vec![line],
        happened: BTreeMap::new(),
        unknown: 0,
        unrefunded: 0,
        given_up: 0,
        unlike: 0,
        broken: Vec::new(),
    }
}

/// What the ledger says of numbers that were changed so.
fn judged(change: impl FnOnce(&mut Ledger, &mut Line)) -> Vec<String> {
    let mut ledger = sound();
    let mut line = ledger.lines.remove(0);
    change(&mut ledger, &mut line);
    ledger.lines.push(line);
    ledger.judge();
    ledger.broken
}

/// One rule is broken, and says so.
#[track_caller]
fn breaks(says: &str, change: impl FnOnce(&mut Ledger, &mut Line)) {
    let broken = judged(change);
    assert!(matches!(&*broken, [rule] if rule.contains(says)), "{says}: {broken:?}");
}

fn invoiced(line: &mut Line, change: impl FnOnce(&mut Invoiced)) {
    change(line.invoiced.as_mut().unwrap());
}

#[test]
fn numbers_that_add_up_break_nothing() {
    assert_eq!(judged(|_, _| {}), Vec::<String>::new());
    assert_eq!(judged(|_, line| line.invoiced = None), Vec::<String>::new());
}

#[test]
fn a_quota_is_never_passed() {
    breaks("the grant has 9 units used of 8", |_, line| line.used = 9);
    breaks("9 units in month 0, over the quota of 8", |_, line| line.kept_units[0] = 9);
    breaks("9 units in month 1, over the quota of 8", |_, line| line.kept_units[1] = 9);
    assert_eq!(judged(|_, line| (line.used, line.quota) = (9, None)), Vec::<String>::new());
}

#[test]
fn what_reached_the_upstream_was_counted() {
    breaks("10 calls reached the upstream, 9 were admitted", |_, line| line.reached = 10);
    breaks("10 units reached the upstream, 9 were counted", |_, line| line.reached_units = 10);
}

#[test]
fn grant_usage_and_invoices_have_one_number() {
    breaks("usage shows 8 units, the grant 7", |_, line| line.units = 8);
    breaks("usage shows 6 units, the grant 7", |_, line| line.units = 6);
    for units in [6, 8] {
        breaks("the invoices were rated from", |_, line| invoiced(line, |invoiced| invoiced.units = units));
    }
    // A refund that only the grant has, or only an invoice lacks.
    let broken = judged(|_, line| line.grant_refunded = 1);
    assert_eq!(broken.len(), 2, "{broken:?}");
}

#[test]
fn every_month_has_its_invoice_and_each_is_proven() {
    for invoices in [1, 3] {
        breaks("invoices of 2 months", |_, line| invoiced(line, |invoiced| invoiced.invoices = invoices));
    }
    breaks("1 of them proven", |_, line| invoiced(line, |invoiced| invoiced.proven = 1));
}

#[test]
fn a_call_is_given_back_if_and_only_if_it_failed() {
    breaks("3 calls were given back, 2 failed", |_, line| line.refunded = 3);
    // The door answered a failure that the upstream knows nothing of.
    assert_eq!(judged(|ledger, line| (ledger.unlike, line.refunded) = (1, 3)), Vec::<String>::new());
    breaks("1 failed calls were not given back", |_, line| line.refunded = 1);
    assert_eq!(judged(|ledger, line| (ledger.unrefunded, line.refunded) = (1, 1)), Vec::<String>::new());
    breaks("2 failed calls were not given back", |ledger, line| (ledger.unrefunded, line.refunded) = (1, 0));
}

#[test]
fn only_a_kill_or_an_unknown_write_strands_a_call() {
    breaks("1 admitted calls never reached the upstream", |_, line| line.admitted = 10);
    for what in ["killed before a call", "timed out"] {
        let strand = |ledger: &mut Ledger, line: &mut Line| {
            ledger.happened.insert(what, 1);
            line.admitted = 10;
        };
        assert_eq!(judged(strand), Vec::<String>::new(), "{what}");
    }
    assert_eq!(judged(|ledger, line| (ledger.unknown, line.admitted) = (1, 10)), Vec::<String>::new());
    breaks("2 admitted calls never reached", |ledger, line| (ledger.unknown, line.admitted) = (1, 11));
    breaks("1 admitted calls never reached", |ledger, line| {
        ledger.happened.insert("frozen", 1);
        line.admitted = 10;
    });
    let units = |unknown: u64, more: u64| {
        judged(|ledger, line| {
            ledger.unknown = unknown;
            (line.grant_admitted, line.units) = (9 + more, 7 + i64::try_from(more).unwrap());
            invoiced(line, |invoiced| invoiced.units = 7 + more);
        })
    };
    assert_eq!(units(1, 5), Vec::<String>::new());
    assert!(matches!(&*units(1, 6), [rule] if rule.contains("6 units were counted of calls that never reached it")));
    assert!(matches!(&*units(0, 1), [rule] if rule.contains("1 units were counted")));
}

#[test]
fn what_was_served_from_leases_is_counted_or_left_behind_by_a_kill() {
    breaks("9 units reached the upstream", |_, line| line.left_behind = 1);
    let leased = |kills: u64, served: u64, left_behind: u64| {
        judged(|ledger, line| {
            ledger.happened.insert("killed before a call", kills);
            (line.leased, line.served_units, line.left_behind) = (true, served, left_behind);
        })
    };
    assert_eq!(leased(0, 9, 0), Vec::<String>::new());
    assert!(matches!(&*leased(0, 10, 0), [rule] if rule.contains("10 units were served, 9 counted, 0 left behind")));
    assert!(matches!(&*leased(0, 9, 1), [rule] if rule.contains("1 units were left behind, and 0 could have been")));
    assert_eq!(leased(1, 265, 256), Vec::<String>::new());
    assert!(matches!(&*leased(1, 9, 257), [rule] if rule.contains("257 units were left behind")));
}

#[test]
fn every_call_has_one_answer() {
    for answers in [6, 8] {
        breaks("answers to 10 calls", |ledger, _| {
            ledger.answers.insert("200".to_owned(), answers);
        });
    }
}
