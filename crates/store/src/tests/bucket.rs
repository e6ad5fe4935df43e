//! The store on S3-compatible storage: moto's server, which others wrote, and a proxy before it that misbehaves by a seed.

mod costs;
mod faults;
mod fixture;
mod hostile;
mod lease;
mod moto;
mod objects;
mod proxy;
mod source;
mod tls;
