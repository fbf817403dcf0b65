//! The whole way over real sockets, with upstreams named for their misbehaviour.

mod bodies;
mod cap;
mod connections;
mod http2;
mod several;
mod stage;
mod websocket;
