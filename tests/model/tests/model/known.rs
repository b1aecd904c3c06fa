//! Interleavings that are too rare to be left to chance: each of them was a fault once, or is what a rule is there for.

use crate::play::{ACTORS, play};
use crate::script::{Asked, Change, Clock, Fault, Limits, Script, Step};
use crate::table::Base;

/// The first sandbox, and the two that tell the door when nobody else is busy.
const FIRST: u8 = 0;
const SECOND: u8 = 1;
const ONE: Asked = Asked { key: 1, operation: 0, fails: false, late_ms: 0 };
const FREE: Limits = Limits { quota: None, rate: None, weights: [1, 2, 3], leased: false };

fn holds(begin: &'static str, terms: Limits, steps: impl IntoIterator<Item = Step>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let steps = steps.into_iter().collect();
    let script = Script { sandboxes: 3, at_once: 1, begin, crowded: false, terms, steps, order: 1 };
    let held = runtime.block_on(play(&Base::new(ACTORS), &script));
    assert!(held.is_ok(), "{}\n{script}", held.unwrap_err());
}

fn call(asked: Asked, whole: bool) -> Step {
    Step::Call { sandbox: FIRST, asked, whole }
}

fn tell(change: Change) -> Step {
    Step::Tell { change, whole: true }
}

#[test]
fn a_call_that_was_refused_after_a_lost_answer_never_counts() {
    let steps = [
        // This sandbox knows the grant, so that its next call begins with the write.
        call(ONE, true),
        call(ONE, false),
        Step::Fault(FIRST, Fault::Late),
        tell(Change::Suspend),
        // Stale; refused from the new image, so the place is taken; the answer of that.
        Step::Go(FIRST),
        Step::Go(FIRST),
        Step::Go(FIRST),
        tell(Change::Resume),
        Step::Arrive(0),
    ];
    holds("2026-11-15T10:30:00Z", FREE, steps);
}

#[test]
fn what_was_answered_holds_in_a_sandbox_that_has_not_heard_of_it() {
    for change in [Change::Revoke(1), Change::Rotate { key: 1, in_s: 0 }, Change::Suspend] {
        // The sandbox knows a grant that would admit the second call: only the write's condition knows better.
        holds("2026-11-15T10:30:00Z", FREE, [call(ONE, true), tell(change), call(ONE, true)]);
    }
}

#[test]
fn what_cannot_be_read_after_a_lost_answer_leaves_it_unknown() {
    let steps = [
        call(ONE, true),
        call(ONE, false),
        Step::Fault(FIRST, Fault::AnswerLost),
        // The terms of the image that the next try meets are new to the sandbox, and cannot be read.
        tell(Change::Terms(FREE)),
        Step::Go(FIRST),
        Step::Fault(FIRST, Fault::RequestLost),
    ];
    holds("2026-11-15T10:30:00Z", FREE, steps);
}

#[test]
fn a_refund_lowers_no_window_of_another_kind_that_ends_at_the_same_moment() {
    let quota = |month| Limits { quota: Some((3, month, true)), ..FREE };
    let failing = Asked { fails: true, ..ONE };
    let steps = [
        call(ONE, true),
        call(ONE, true),
        call(ONE, true),
        tell(Change::Terms(quota(false))),
        // Admitted under the day's quota, given back under the month's.
        call(failing, false),
        Step::Go(FIRST),
        Step::Go(FIRST),
        Step::Go(FIRST),
        tell(Change::Back(0)),
        Step::Go(FIRST),
        Step::Go(FIRST),
        Step::Go(FIRST),
        call(ONE, true),
    ];
    holds("2026-11-30T12:00:00Z", quota(true), steps);
}

#[test]
fn a_change_that_another_one_overtakes_gives_no_burst_twice() {
    let rate = |rate| Limits { rate: Some(rate), ..FREE };
    let fast = Change::Terms(rate((3, 1, 4)));
    let steps = [Step::Tell { change: fast, whole: false }, Step::Tell { change: Change::Back(1), whole: false }]
        .into_iter()
        // The later one has read the grant under the slow terms, and is about to write.
        .chain([Step::Go(SECOND); 6])
        .chain([Step::Go(FIRST); 8])
        .chain([call(ONE, true); 5])
        .chain([Step::Go(FIRST); 9])
        .chain([call(ONE, true); 5])
        .chain([Step::Clock(Clock::Ms(100)), call(ONE, true)]);
    holds("2026-11-15T10:30:00Z", rate((1, 2, 4)), steps);
}

#[test]
fn a_try_without_an_answer_is_not_repeated_when_two_buckets_have_passed() {
    let steps = [
        call(ONE, true),
        call(ONE, false),
        Step::Fault(FIRST, Fault::AnswerLost),
        // Another sandbox turns the bucket twice, and the place that would tell is gone.
        Step::Clock(Clock::Hour),
        call(ONE, true),
        Step::Clock(Clock::Hour),
        call(ONE, true),
        Step::Go(FIRST),
        Step::Go(FIRST),
    ];
    holds("2026-11-15T10:30:00Z", FREE, steps);
}

#[test]
fn nothing_is_given_back_in_a_month_that_is_sealed() {
    let steps = [
        call(ONE, true),
        call(Asked { fails: true, ..ONE }, false),
        Step::Go(FIRST),
        Step::Clock(Clock::Month),
        Step::Clock(Clock::Hour),
        // The sweep turns the bucket and is about to seal, the call is about to be given back in the new bucket.
        Step::Sweep { whole: false },
        Step::Go(SECOND),
        Step::Go(SECOND),
        Step::Go(FIRST),
        Step::Go(FIRST),
        Step::Go(SECOND),
        Step::Go(FIRST),
    ];
    holds("2026-11-30T12:00:00Z", FREE, steps);
}

#[test]
fn a_change_that_comes_late_gives_no_burst_twice() {
    let steps = [Step::Tell { change: Change::Back(0), whole: false }, Step::Clock(Clock::Page)]
        .into_iter()
        .chain([call(ONE, true); 5])
        // Told when it was made, and so with that time.
        .chain([Step::Go(FIRST); 8])
        .chain([call(ONE, true); 5]);
    holds("2026-11-15T10:30:00Z", Limits { rate: Some((1, 1, 4)), ..FREE }, steps);
}
