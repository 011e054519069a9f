// SPDX-License-Identifier: MIT OR Apache-2.0
//! token: an OpenPGP card and a PIV card in one USB token, attached with `usbip attach -r 127.0.0.1 -b 1-1`. What it stores is gone when it ends.

mod dispatch;

use littlefs2::const_ram_storage;
use littlefs2::fs::{Allocation, Filesystem};
use littlefs2_core::{path, DynFilesystem, Path};
use trussed::pipe::{ServiceEndpoint, TrussedChannel};
use trussed::service::Service;
use trussed::types::CoreContext;
use trussed_usbip::usb::Options;
use trussed_usbip::{Client, Platform, Store, Syscall};

use dispatch::{Backend, Contexts, Dispatch, BACKENDS};

type AppClient = Client<Dispatch>;
type Endpoints = Vec<ServiceEndpoint<'static, Backend, Contexts>>;

struct Apps {
    openpgp: opcard::Card<AppClient>,
    piv: piv_authenticator::Authenticator<AppClient>,
}

fn client(channel: &'static TrussedChannel, name: &'static Path, endpoints: &mut Endpoints, syscall: Syscall) -> AppClient {
    let (requester, responder) = channel.split().expect("each channel is split once");
    endpoints.push(ServiceEndpoint::new(responder, CoreContext::new(name.into()), BACKENDS));
    AppClient::new(requester, syscall, None)
}

impl trussed_usbip::Apps<'static, Dispatch> for Apps {
    type Data = ();

    fn new(_: &mut Service<Platform, Dispatch>, endpoints: &mut Endpoints, syscall: Syscall, (): ()) -> Self {
        static OPENPGP: TrussedChannel = TrussedChannel::new();
        static PIV: TrussedChannel = TrussedChannel::new();
        Self {
            openpgp: opcard::Card::new(client(&OPENPGP, path!("opcard"), endpoints, syscall.clone()), opcard::Options::default()),
            piv: piv_authenticator::Authenticator::new(client(&PIV, path!("piv"), endpoints, syscall), piv_authenticator::Options::default()),
        }
    }

    fn with_ccid_apps<T>(&mut self, run: impl FnOnce(&mut [&mut dyn apdu_dispatch::App]) -> T) -> T {
        run(&mut [&mut self.openpgp, &mut self.piv])
    }
}

const_ram_storage!(Memory, 512 * 512);

fn filesystem() -> &'static dyn DynFilesystem {
    let memory = Box::leak(Box::new(Memory::new()));
    Filesystem::format(memory).expect("memory can be formatted");
    let allocation = Box::leak(Box::new(Allocation::new()));
    Box::leak(Box::new(Filesystem::mount(allocation, memory).expect("it was just formatted")))
}

fn main() {
    let store = Store { ifs: filesystem(), efs: filesystem(), vfs: filesystem() };
    // Some programs speak to one maker's readers only.
    let (manufacturer, product, vid, pid) = match std::env::var("TOKEN_LIKE").as_deref() {
        Ok("yubikey") => ("Yubico", "YubiKey CCID", 0x1050, 0x0404),
        _ => ("Nitrokey", "Nitrokey 3", 0x20A0, 0x42B2),
    };
    let options = Options {
        manufacturer: Some(manufacturer),
        product: Some(product),
        serial_number: Some("TEST"),
        vid,
        pid,
    };
    trussed_usbip::Builder::with_default_usb_classes(options)
        .dispatch(Dispatch::new())
        .build::<Apps>()
        .exec(Platform::new(store), ());
}
