//! Sending an allowed request on, and relaying the answer.
