//! `mesos-host cluster`: tasks on a whole master and agent with the modules loaded.
//!
//! Master and agent run in one process of their own ([`process`]), which can be ended in several
//! ways and started again over the same work directory. This process is the framework
//! ([`framework`]): it launches tasks by Mesos's HTTP API, kills some, restarts the agent under
//! others, asks the endpoints that make the agent call usage and status ([`statistics`]), and at
//! the end compares what the commands recorded with what must have happened ([`records`]). Or the
//! tasks are ended by their containers' watch command ([`limited`]), or one is held up by its
//! prepare command ([`held`]), or they run in containers of Docker ([`docker`]), or their
//! statistics are read at a pace ([`readers`]).

mod docker;
mod framework;
mod held;
mod limited;
mod options;
mod play;
mod process;
mod readers;
mod records;
mod statistics;

pub(crate) use options::Cluster;
pub(crate) use play::run;
pub(crate) use process::serve;
