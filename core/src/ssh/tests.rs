//! A session towards a peer without manners.

mod attacks;
mod puppet;
mod rogue;
mod states;
