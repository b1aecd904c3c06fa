//! Which nodes of a graph mean the same: the coarsest partition in which equal nodes have equal children (bisimulation), however the graph is written.
//!
//! Nodes are grouped by their shape, and a group is split while its members' children stand in different groups. The largest part of a split keeps its
//! number, so a node changes its number at most log n times; only the parents of nodes that changed are looked at again. Numbers are given by shape and
//! children alone, never by the order of the nodes, so that equal graphs get equal numbers.

use std::hash::Hash;

use foldhash::HashMap;

/// Children looked at before the search gives up: an adversary can make it quadratic. GitHub's document takes some hundred thousand.
const WORK_MAX: usize = 100_000_000;

/// A child of a node: another node, or something outside, by its rank among what is outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Child {
    Outside(u32),
    Node(u32),
}

/// Children whose order is not meaning: `count` groups of `stride` children each, from `start` on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) start: usize,
    pub(super) count: usize,
    pub(super) stride: usize,
}

/// A node.
#[derive(Clone, Debug)]
pub(super) struct Node<S> {
    pub(super) shape: S,
    pub(super) children: Vec<Child>,
    /// Inner runs before those that hold them.
    pub(super) runs: Vec<Run>,
}

/// Sorts what has no order.
pub(super) fn arrange<T: Ord + Clone>(items: &mut [T], runs: &[Run]) {
    for run in runs {
        let Some(part) = items.get_mut(run.start..run.start + run.count * run.stride) else { continue };
        if run.stride == 1 {
            part.sort_unstable();
        } else if run.stride > 1 {
            let mut chunks: Vec<Vec<T>> = part.chunks(run.stride).map(<[T]>::to_vec).collect();
            chunks.sort_unstable();
            for (place, item) in part.iter_mut().zip(chunks.into_iter().flatten()) {
                *place = item;
            }
        }
    }
}

struct Partition<'n, S> {
    nodes: &'n [Node<S>],
    block: Vec<u32>,
    /// The nodes of each block, in no order, and the place of each node among them.
    members: Vec<Vec<u32>>,
    place: Vec<usize>,
    parents: Vec<Vec<u32>>,
    is_dirty: Vec<bool>,
    work: usize,
}

/// A part of a block: what its nodes' children are, those of its nodes that were looked at, and how many others there are.
type Group = (Vec<Child>, Vec<u32>, usize);

/// The block of each node: equal for equal meaning, and numbered by meaning. If the search takes too long, each node is a block of its own.
pub(super) fn refine<S: Ord + Hash>(nodes: &[Node<S>]) -> Vec<u32> {
    let count = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
    let mut partition = Partition::new(nodes);
    let mut dirty: Vec<u32> = (0..count).collect();
    while !dirty.is_empty() {
        dirty = partition.round(dirty);
        if partition.work > WORK_MAX {
            return (0..count).collect();
        }
    }
    partition.block
}

impl<'n, S: Ord + Hash> Partition<'n, S> {
    fn new(nodes: &'n [Node<S>]) -> Self {
        let mut shapes: Vec<&S> = nodes.iter().map(|node| &node.shape).collect();
        shapes.sort_unstable();
        shapes.dedup();
        let mut members = vec![Vec::new(); shapes.len()];
        let ranks: HashMap<&S, u32> = shapes.into_iter().zip(0..).collect();
        let (mut block, mut place) = (Vec::new(), Vec::new());
        let mut parents: Vec<Vec<u32>> = vec![Vec::new(); nodes.len()];
        for (id, node) in (0_u32..).zip(nodes) {
            let rank = ranks.get(&node.shape).copied().unwrap_or_default();
            block.push(rank);
            if let Some(members) = members.get_mut(rank as usize) {
                place.push(members.len());
                members.push(id);
            }
            for child in &node.children {
                if let Child::Node(child) = child
                    && let Some(parents) = parents.get_mut(*child as usize)
                    && parents.last() != Some(&id)
                {
                    parents.push(id);
                }
            }
        }
        Self { nodes, block, members, place, parents, is_dirty: vec![false; nodes.len()], work: 0 }
    }
}

impl<S> Partition<'_, S> {
    fn block(&self, node: u32) -> u32 {
        self.block.get(node as usize).copied().unwrap_or_default()
    }

    fn members(&self, block: u32) -> &[u32] {
        self.members.get(block as usize).map_or(&[], Vec::as_slice)
    }

    fn is_dirty(&self, node: u32) -> bool {
        self.is_dirty.get(node as usize).copied().unwrap_or_default()
    }

    /// What a node's children are by now.
    fn signature(&mut self, node: u32) -> Vec<Child> {
        let Some(node) = self.nodes.get(node as usize) else { return Vec::new() };
        self.work += node.children.len() + 1;
        let mut signature: Vec<Child> = node
            .children
            .iter()
            .map(|child| match child {
                Child::Outside(rank) => Child::Outside(*rank),
                Child::Node(child) => Child::Node(self.block(*child)),
            })
            .collect();
        arrange(&mut signature, &node.runs);
        signature
    }

    /// Looks at nodes of which a child changed its block, splits their blocks, and says of whom a child changed now. All splits of a round are judged by
    /// the blocks at its beginning, so that the members of a block that are not looked at are all alike.
    fn round(&mut self, mut dirty: Vec<u32>) -> Vec<u32> {
        dirty.sort_unstable_by_key(|node| (self.block(*node), *node));
        dirty.dedup();
        self.mark(&dirty, true);
        let mut moved: Vec<Vec<u32>> = Vec::new();
        let mut rest: &[u32] = &dirty;
        while let Some(first) = rest.first() {
            let block = self.block(*first);
            let (members, others) = rest.split_at(rest.partition_point(|node| self.block(*node) <= block));
            if self.members(block).len() > 1 {
                moved.extend(self.split(members, block));
            }
            rest = others;
        }
        self.mark(&dirty, false);
        let mut next = Vec::new();
        for group in moved {
            for node in &group {
                self.leave(*node);
                next.extend(self.parents.get(*node as usize).into_iter().flatten());
            }
            self.enter(group);
        }
        next
    }

    fn mark(&mut self, nodes: &[u32], dirty: bool) {
        for node in nodes {
            if let Some(mark) = self.is_dirty.get_mut(*node as usize) {
                *mark = dirty;
            }
        }
    }

    /// Takes a node out of its block.
    fn leave(&mut self, node: u32) {
        let place = self.place.get(node as usize).copied().unwrap_or_default();
        if let Some(members) = self.members.get_mut(self.block.get(node as usize).copied().unwrap_or_default() as usize)
            && place < members.len()
        {
            members.swap_remove(place);
            if let Some(last) = members.get(place).copied()
                && let Some(its) = self.place.get_mut(last as usize)
            {
                *its = place;
            }
        }
    }

    /// Makes a block of nodes that left theirs.
    fn enter(&mut self, nodes: Vec<u32>) {
        let block = u32::try_from(self.members.len()).unwrap_or(u32::MAX);
        for (place, node) in nodes.iter().enumerate() {
            if let (Some(its), Some(of)) = (self.place.get_mut(*node as usize), self.block.get_mut(*node as usize)) {
                (*its, *of) = (place, block);
            }
        }
        self.members.push(nodes);
    }

    /// The parts of a block that get numbers of their own, in the order of what their children are: all but the largest.
    fn split(&mut self, dirty: &[u32], block: u32) -> Vec<Vec<u32>> {
        let mut groups: HashMap<Vec<Child>, Vec<u32>> = HashMap::default();
        for node in dirty {
            let signature = self.signature(*node);
            groups.entry(signature).or_default().push(*node);
        }
        let clean = self.members(block).len().saturating_sub(dirty.len());
        let same = self.members(block).iter().copied().find(|node| !self.is_dirty(*node));
        let same = same.map(|node| self.signature(node));
        let mut groups: Vec<Group> = groups.into_iter().map(|(signature, nodes)| (signature, nodes, 0)).collect();
        if let Some(same) = same {
            match groups.iter_mut().find(|group| group.0 == same) {
                Some(group) => group.2 = clean,
                None => groups.push((same, Vec::new(), clean)),
            }
        }
        groups.sort_unstable_by(|left, right| left.0.cmp(&right.0));
        let size = |group: &Group| group.1.len() + group.2;
        let largest = groups.iter().map(size).max().unwrap_or_default();
        let stays = groups.iter().position(|group| size(group) == largest).unwrap_or_default();
        groups.remove(stays);
        for group in groups.iter_mut().filter(|group| group.2 > 0) {
            let clean: Vec<u32> = self.members(block).iter().copied().filter(|node| !self.is_dirty(*node)).collect();
            group.1.extend(clean);
        }
        groups.into_iter().map(|(_, nodes, _)| nodes).collect()
    }
}
