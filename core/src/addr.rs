//! Addresses: what a swarm calls its nodes.
