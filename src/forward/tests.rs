//! The whole way over real sockets, with upstreams named for their misbehaviour.

mod bodies;
mod connections;
mod several;
mod stage;
mod websocket;
