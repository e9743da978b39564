//! Whom a secure swarm talks to.

use crate::identity::PeerId;
use alloc::collections::BTreeSet;

/// The keys that a secure swarm talks to, in either direction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Accept {
    /// Whoever proves a key.
    #[default]
    Anyone,
    /// These, and nobody else.
    Only(BTreeSet<PeerId>),
}

impl Accept {
    /// Whether the policy takes the key of this id.
    #[must_use]
    pub fn takes(&self, id: &PeerId) -> bool {
        match self {
            Self::Anyone => true,
            Self::Only(ids) => ids.contains(id),
        }
    }
}

impl FromIterator<PeerId> for Accept {
    fn from_iter<T: IntoIterator<Item = PeerId>>(ids: T) -> Self {
        Self::Only(ids.into_iter().collect())
    }
}
