//! Counters of a layer: a struct, and how its fields are told.

/// Makes the struct `Counters` of these, which begin at zero and are told under their own names.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// How often something happened since the layer was made.
        #[derive(Clone, Copy, Debug, Default)]
        pub(super) struct Counters { $($(#[$doc])* pub(super) $name: u64,)* }

        impl Counters {
            pub(super) fn stats(&self, sink: &mut dyn crate::stats::StatsSink) {
                $(sink.counter(stringify!($name), self.$name);)*
            }
        }
    };
}

pub(crate) use counters;
