// SPDX-License-Identifier: MIT OR Apache-2.0
//! The PIV application, selected by the first five bytes of its name as well: that is all yubico-piv-tool sends.

use apdu_app::{App, CommandView, Interface, VecView};
use iso7816::Aid;
use piv_authenticator::{Authenticator, Client, Options};

pub struct Piv<T>(Authenticator<T>);

impl<T: Client> Piv<T> {
    pub fn new(client: T) -> Self {
        Self(Authenticator::new(client, Options::default()))
    }
}

impl<T> iso7816::App for Piv<T> {
    fn aid(&self) -> Aid {
        Aid::new_truncatable(b"\xA0\x00\x00\x03\x08\x00\x00\x10\x00\x01\x00", 5)
    }
}

impl<T: Client> App for Piv<T> {
    fn select(&mut self, interface: Interface, apdu: CommandView<'_>, reply: &mut VecView<u8>) -> apdu_app::Result {
        App::select(&mut self.0, interface, apdu, reply)
    }

    fn deselect(&mut self) {
        App::deselect(&mut self.0);
    }

    fn call(&mut self, interface: Interface, apdu: CommandView<'_>, reply: &mut VecView<u8>) -> apdu_app::Result {
        App::call(&mut self.0, interface, apdu, reply)
    }
}
