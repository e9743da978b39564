//! A campaign: scenarios under everything that goes wrong, each run from a seed, until something is found.
//!
//! A [`Scenario`] is a stack and what it [promises](Promises). It is played by a [`Plan`](crate::plan::Plan): nodes say things to each other
//! that name themselves, things go wrong for a phase, then a core of nodes is healed and has to make progress, and in
//! the end nothing may be held. What must never happen is watched on the way; each
//! message ends in exactly one [bin](bins); and each scenario has marks that some run of a campaign must have
//! reached, since one that never did is blind.
//!
//! ```
//! use tellask_sim::campaign::{Look, find};
//! use tellask_sim::plan::generate;
//!
//! let scenario = find("secure").unwrap();
//! let plan = generate(&scenario.menu(), 7);
//! let played = scenario.play(&plan, Look::default());
//! assert!(played.is_ok(), "{played}");
//! // Whoever has the plan as text has the run.
//! let again = plan.to_string().parse().unwrap();
//! assert_eq!(scenario.play(&again, Look::default()).trace, played.trace);
//! ```

mod arena;
pub mod bins;
pub mod body;
mod books;
mod emit;
mod note;
mod played;
mod player;
mod results;
mod run;
mod scenarios;
mod shrink;
mod subject;
mod tales;
#[cfg(test)]
mod tests;
mod transports;
mod watch;

pub use bins::Bins;
pub use emit::test_of;
pub use note::Note;
pub use played::{Look, Onlooker, Played, replay};
pub use results::{BLIND_AFTER, Parts, Results, Tallied};
pub use run::{Campaign, Run};
pub use scenarios::{SCENARIOS, find};
pub use shrink::{Shrunk, ddmin, play, shrink};
pub use subject::{Mark, Promises, Says, Scenario, Tally};
pub use watch::watch;
