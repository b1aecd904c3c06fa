//! Which types a part of a surface names.

use super::packed::{Packed, Sink};
use super::{ElementId, Operation, SchemeId, ServerId, Text, Type, TypeId};

struct Reach<'f>(&'f mut dyn FnMut(TypeId));

impl Sink for Reach<'_> {
    fn number(&mut self, _: u64) {}

    fn text(&mut self, _: &Text) {}

    fn words(&mut self, _: &Text) {}

    fn element(&mut self, _: ElementId) {}

    fn type_id(&mut self, id: TypeId) {
        (self.0)(id);
    }

    fn scheme(&mut self, _: SchemeId) {}

    fn server(&mut self, _: ServerId) {}

    fn list<T: Packed>(&mut self, items: &[T], _: bool) {
        for item in items {
            item.write(self);
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

impl Type {
    /// Tells of each type that it names, as often as it does.
    pub fn reach(&self, told: &mut dyn FnMut(TypeId)) {
        self.write(&mut Reach(told));
    }
}

impl Operation {
    /// Tells of each type that it names, as often as it does.
    pub fn reach(&self, told: &mut dyn FnMut(TypeId)) {
        self.write(&mut Reach(told));
    }
}
