//! Who of this server is next in a room. Those who wait for a room in the database hold a connection each; here they hold
//! none, so that a busy project leaves connections to the others.

use super::TURN_WAIT;
use crate::error::{Error, Result};
use crate::metadata::Room;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Mutex as Queue, OwnedMutexGuard};

/// The queues of all rooms in which somebody is.
#[derive(Clone, Default)]
pub(super) struct Turns(Arc<Mutex<HashMap<Room, Arc<Queue<()>>>>>);

/// A turn in a room, which ends when it is dropped.
pub(super) struct Turn {
    turns: Turns,
    room: Room,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    /// Waits until everybody of this server who came before has left the room.
    pub(super) async fn wait(&self, room: Room) -> Result<Turn> {
        let queue = self.queues().entry(room).or_default().clone();
        let mut turn = Turn {
            turns: self.clone(),
            room,
            guard: None,
        };
        let guard = tokio::time::timeout(TURN_WAIT, queue.lock_owned()).await;
        let busy = "too many changes in one project at once: try again";
        turn.guard = Some(guard.map_err(|_| Error::Unavailable(busy.into()))?);
        Ok(turn)
    }

    fn queues(&self) -> std::sync::MutexGuard<'_, HashMap<Room, Arc<Queue<()>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut queues = self.turns.queues();
        drop(self.guard.take());
        // The map's own and nobody else's: whoever waits or is in the room holds one too.
        if queues
            .get(&self.room)
            .is_some_and(|queue| Arc::strong_count(queue) == 1)
        {
            queues.remove(&self.room);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_at_a_time_is_in_a_room_and_empty_rooms_are_forgotten() {
        let (turns, room) = (Turns::default(), Room::Project(1));
        let first = turns.wait(room).await.unwrap();
        let second = turns.wait(room);
        tokio::pin!(second);
        assert!(futures_util::poll!(&mut second).is_pending());
        let other = turns.wait(Room::Project(2)).await.unwrap();
        drop(first);
        drop(second.await.unwrap());
        drop(other);
        assert!(turns.queues().is_empty());
    }
}
