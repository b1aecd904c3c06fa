//! A fuzzer for the readers of foreign documents: `cargo fuzz-readers`, and ten seconds for each target in `cargo ci`.
//!
//! `cargo-fuzz` wants nightly and LLVM's libFuzzer, which nobody should have to install to check a pull request. This one is a loop of a hundred lines over
//! four parts, and honest about what it is: coverage of code is not measured. What guides it is what a document made of it: an input stays in the pool
//! when it shows a [feature](features) that none before it had, such as a warning, a refusal or a shape of a type, or so many more of something.
//!
//! - [`target`]: what is fuzzed, and what must hold beside "it does not panic";
//! - [`mutate`]: how inputs are changed, by bytes, by words of the format, and by what stands between brackets or is indented;
//! - [`archive`]: zip and tar files that are wrong in the ways in which archives are;
//! - [`worker`]: one process for each target, so that an overflow of the stack or too much memory ends nothing else.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a fuzzer that cannot go on has failed, and says why"
)]

pub mod archive;
pub mod features;
pub mod mutate;
pub mod random;
pub mod seeds;
pub mod target;
pub mod worker;
