//! The command line tool as an operator uses it: the built program, its exit status, its words, and
//! what it leaves alone.

mod author;
mod call;
mod check;
mod compare;
mod conditions;
mod deploy;
mod documents;
mod explain;
mod generate;
mod identity;
mod interrupt;
mod live;
mod load;
mod own;
mod pages;
mod reload;
mod replay;
mod schema;
mod support;
mod texts;
mod top;
mod workers;
