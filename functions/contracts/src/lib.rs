//! `contracts`: what a change breaks.

pub mod compare;
pub mod finding;
pub mod rules;
