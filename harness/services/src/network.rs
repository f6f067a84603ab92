//! The whole simulated network as one node.

use crate::NetworkSettings;
use std::sync::Arc;
use wire::{GuestTime, Node, Outbox};

/// Settings that no network can be built from, although each is well-formed.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct SettingsError {
    /// Dotted path of the setting, for example `network.http.status`.
    pub path: String,
    /// What is wrong and what was expected.
    pub problem: String,
}

/// Every service of one cell, behind one MAC address.
pub struct Network {}

impl Network {
    /// Builds the network that serves `image` at the boot file's path.
    pub fn new(_settings: &NetworkSettings, _image: Arc<[u8]>) -> Result<Self, SettingsError> {
        todo!()
    }

    /// Checks that a network can be built from `settings`, without building it.
    pub fn check(_settings: &NetworkSettings) -> Result<(), SettingsError> {
        todo!()
    }
}

impl Node for Network {
    fn receive(&mut self, _now: GuestTime, _frame: &[u8], _out: &mut Outbox) {
        todo!()
    }
    fn poll(&mut self, _now: GuestTime, _out: &mut Outbox) {
        todo!()
    }
    fn poll_at(&self) -> Option<GuestTime> {
        todo!()
    }
}
