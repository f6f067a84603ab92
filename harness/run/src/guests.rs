//! Where guests come from.

use crate::Cell;
use firmware::Firmware;
use record::Accelerator;
use std::future::Future;
use std::sync::Arc;

/// A source of guests, one for each cell.
pub trait Guests {
    /// The guest's end of the segment. Dropping it ends the guest.
    type Guest: wire::Guest;

    /// Powers a guest on for `cell`. `image` is the boot image that the network serves.
    fn start(
        &self,
        cell: &Cell,
        firmware: &Firmware,
        image: &Arc<[u8]>,
    ) -> impl Future<Output = Result<Started<Self::Guest>, StartError>>;

    /// The flash with the firmware's variables as they are now; `None` if there is none that can be read.
    fn variables(&self, _guest: &mut Self::Guest) -> impl Future<Output = Result<Option<Vec<u8>>, String>> {
        async { Ok(None) }
    }

    /// Ends a guest whose cell has ended. An error says why what it was to leave is not complete.
    fn finish(&self, guest: Self::Guest) -> impl Future<Output = Result<(), String>> {
        drop(guest);
        async { Ok(()) }
    }
}

/// A guest that has been powered on.
pub struct Started<G> {
    /// The guest.
    pub guest: G,
    /// Command line of its process, if it has one.
    pub command: Option<Vec<String>>,
    /// What executes it, if it is a machine.
    pub accelerator: Option<Accelerator>,
    /// The guest's date at power-on, Unix seconds.
    pub rtc_base: u64,
}

/// Why a guest could not be started.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(pub String);
