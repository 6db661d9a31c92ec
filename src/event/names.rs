//! The events' names, in the order of their numbers.
//!
//! This file uses nothing else of the engine: `cpp/build.rs` mounts it and writes the same numbers
//! down for C++.

macro_rules! events {
    ($( $name:ident, )+) => {
        /// What a command can be configured for: the methods of Mesos's modules, and
        /// [`Event::UsageBatch`].
        ///
        /// The discriminants are the indexes into [`Event::ALL`] and cross the C++ boundary as
        /// `u8`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Event { $(
            #[doc = concat!("`", stringify!($name), "`: its row says the rest.")]
            $name,
        )+ }

        impl Event {
            /// All events, in the order of their discriminants.
            pub const ALL: [Event; [$(stringify!($name)),+].len()] = [$(Event::$name),+];
        }
    };
}

events! {
    MasterLaunchTaskLabelDecorator,
    MasterLaunchTaskResourceDecorator,
    MasterSlaveLostHook,
    SlaveRunTaskLabelDecorator,
    SlaveExecutorEnvironmentDecorator,
    SlavePreLaunchDockerTaskExecutorDecorator,
    SlavePostFetchHook,
    SlaveRemoveExecutorHook,
    SlaveTaskStatusDecorator,
    SlaveResourcesDecorator,
    SlaveAttributesDecorator,
    Recover,
    Prepare,
    Isolate,
    Watch,
    Update,
    Usage,
    Status,
    Cleanup,
    // No method of Mesos: the usage of many containers by one run.
    UsageBatch,
}
