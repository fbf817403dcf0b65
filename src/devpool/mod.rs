//! A user pool on this machine, for development and tests.
