//! Consumer groups of a log in memory: partitions are spread evenly, and move with as few changes as can be.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use abovefold_schemas::Offset;
use async_trait::async_trait;
use tokio::sync::watch;

use super::{
    super::{LogMember, MemberEvent},
    Shared,
    partition::Cursors,
};
use crate::error::{EngineError, Result};

/// All groups, by group and topic.
#[derive(Default)]
pub(super) struct Groups {
    groups: BTreeMap<(String, String), Group>,
}

#[derive(Default)]
struct Group {
    partitions: u32,
    seats: BTreeMap<u64, Seat>,
    next_seat: u64,
    /// Members that lost their seat and have not been told.
    unaware: BTreeSet<u64>,
    /// What was committed last, by partition.
    committed: BTreeMap<u32, Offset>,
}

/// A member as the group sees it.
#[derive(Default)]
struct Seat {
    /// What the member was told that it has.
    owned: BTreeSet<u32>,
    /// What it shall have.
    target: BTreeSet<u32>,
}

impl Groups {
    fn group(&mut self, group: &str, topic: &str) -> &mut Group {
        self.groups.entry((group.to_owned(), topic.to_owned())).or_default()
    }

    pub(super) fn join(&mut self, group: &str, topic: &str, partitions: u32) -> u64 {
        let group = self.group(group, topic);
        group.partitions = partitions;
        group.next_seat += 1;
        let seat = group.next_seat;
        group.seats.insert(seat, Seat::default());
        group.spread();
        seat
    }

    pub(super) fn expel(&mut self, group: &str, topic: &str, nth: usize) -> bool {
        let group = self.group(group, topic);
        let Some(seat) = group.seats.keys().copied().nth(nth) else { return false };
        group.seats.remove(&seat);
        group.unaware.insert(seat);
        group.spread();
        true
    }

    pub(super) fn committed(&mut self, group: &str, topic: &str, partition: u32) -> Option<Offset> {
        self.group(group, topic).committed.get(&partition).copied()
    }

    pub(super) fn tell_expelled(&mut self, group: &str, topic: &str) {
        self.group(group, topic).unaware.clear();
    }
}

impl Group {
    /// Gives every member its even share, and leaves it as much of what it has as fits.
    fn spread(&mut self) {
        let members = self.seats.len() as u32;
        if members == 0 {
            return;
        }
        let (least, more) = (self.partitions / members, self.partitions % members);
        let mut free: BTreeSet<u32> = (0..self.partitions).collect();
        let mut shares = Vec::new();
        for (place, (seat, member)) in (0..).zip(&mut self.seats) {
            let share = (least + u32::from(place < more)) as usize;
            member.target = member.owned.iter().copied().filter(|p| free.contains(p)).take(share).collect();
            free.retain(|partition| !member.target.contains(partition));
            shares.push((*seat, share));
        }
        for (seat, share) in shares {
            let Some(member) = self.seats.get_mut(&seat) else { continue };
            while member.target.len() < share
                && let Some(partition) = free.pop_first()
            {
                member.target.insert(partition);
            }
        }
    }

    /// What a member is told next: first what it loses, then what it gets and nobody else has any more.
    fn tell(&mut self, seat: u64) -> Option<MemberEvent> {
        let taken: BTreeSet<u32> = self
            .seats
            .iter()
            .filter(|(other, _)| **other != seat)
            .flat_map(|(_, member)| member.owned.iter().copied())
            .collect();
        let member = self.seats.get_mut(&seat)?;
        let lost: Vec<u32> = member.owned.difference(&member.target).copied().collect();
        if !lost.is_empty() {
            member.owned.retain(|partition| !lost.contains(partition));
            return Some(MemberEvent::Revoked(lost));
        }
        let got: Vec<u32> =
            member.target.difference(&member.owned).copied().filter(|p| !taken.contains(p)).collect();
        if got.is_empty() {
            return None;
        }
        member.owned.extend(&got);
        Some(MemberEvent::Assigned(got))
    }
}

/// A member of a group.
pub(super) struct MemoryMember {
    shared: Arc<Shared>,
    changed: watch::Receiver<()>,
    group: String,
    topic: String,
    seat: u64,
    owned: BTreeSet<u32>,
    cursors: Cursors,
}

impl MemoryMember {
    pub(super) fn new(shared: Arc<Shared>, group: String, topic: &str, seat: u64) -> Self {
        let changed = shared.changed.subscribe();
        let topic = topic.to_owned();
        Self { shared, changed, group, topic, seat, owned: BTreeSet::new(), cursors: Cursors::default() }
    }

    fn look(&mut self) -> Result<Option<MemberEvent>> {
        let mut guard = self.shared.state();
        let state = &mut *guard;
        let partitions = state.topic(&self.topic, "follow")?.len() as u32;
        let group = state.groups.group(&self.group, &self.topic);
        let event = if group.seats.contains_key(&self.seat) {
            group.tell(self.seat)
        } else if group.unaware.contains(&self.seat) {
            None
        } else {
            // It was expelled and hears of it now: it has nothing any more, and joins again.
            self.seat = state.groups.join(&self.group, &self.topic, partitions);
            self.shared.changed.send_replace(());
            let lost: Vec<u32> = std::mem::take(&mut self.owned).into_iter().collect();
            lost.iter().for_each(|partition| self.cursors.stop(*partition));
            return Ok((!lost.is_empty()).then_some(MemberEvent::Revoked(lost)));
        };
        match &event {
            Some(MemberEvent::Revoked(lost)) => {
                for partition in lost {
                    self.cursors.stop(*partition);
                    self.owned.remove(partition);
                }
                // Somebody waits for these.
                self.shared.changed.send_replace(());
            }
            Some(MemberEvent::Assigned(got)) => self.owned.extend(got),
            _ => {}
        }
        if event.is_some() {
            return Ok(event);
        }
        let partitions = state.topic(&self.topic, "follow")?;
        Ok(self.cursors.next(partitions, self.shared.run_records)?.map(MemberEvent::Records))
    }
}

#[async_trait]
impl LogMember for MemoryMember {
    async fn next(&mut self) -> Result<MemberEvent> {
        loop {
            self.changed.borrow_and_update();
            if let Some(event) = self.look()? {
                return Ok(event);
            }
            // The sender lives as long as `shared`, which is ours.
            self.changed.changed().await.ok();
        }
    }

    async fn start(&mut self, partition: u32, from: Offset) -> Result<()> {
        let tried =
            || format!("start topic {}, partition {partition}, at offset {from} in memory", self.topic);
        if !self.owned.contains(&partition) {
            return Err(EngineError::ours(tried(), "it is not assigned to this member"));
        }
        if let Some(found) = self.shared.state().topic(&self.topic, "start")?.get(partition as usize) {
            found.check(from, tried())?;
        }
        self.cursors.start(partition, from);
        Ok(())
    }

    async fn pause(&mut self, partition: u32) -> Result<()> {
        self.cursors.set_paused(partition, true);
        Ok(())
    }

    async fn resume(&mut self, partition: u32) -> Result<()> {
        self.cursors.set_paused(partition, false);
        Ok(())
    }

    fn commit(&mut self, partition: u32, next: Offset) {
        self.shared.state().groups.group(&self.group, &self.topic).committed.insert(partition, next);
    }

    async fn leave(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

impl Drop for MemoryMember {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        let group = state.groups.group(&self.group, &self.topic);
        group.unaware.remove(&self.seat);
        if group.seats.remove(&self.seat).is_some() {
            group.spread();
        }
        drop(state);
        self.shared.changed.send_replace(());
    }
}
