//! p2pke version 1: authenticated encryption between peers over any datagram swarm.
