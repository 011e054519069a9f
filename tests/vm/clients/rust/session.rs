// SPDX-License-Identifier: MIT OR Apache-2.0
//! The `pcsc` crate: readers, states, connections, transactions, attributes, control codes, reset, a wait that is cancelled.
use pcsc::{Attribute, Context, Disposition, Error, Protocols, ReaderState, Scope, ShareMode, State, ctl_code};
use std::ffi::CString;
use std::process::Command;
use std::thread;
use std::time::Duration;

fn host(words: &[&str]) {
    assert!(Command::new("host").args(words).status().expect("host").success());
}

fn main() -> Result<(), Error> {
    let context = Context::establish(Scope::User)?;
    context.is_valid()?;
    let mut names = [0; 2048];
    let readers: Vec<CString> = context.list_readers(&mut names)?.map(CString::from).collect();
    println!("{readers:?}");
    let reader = &readers[0];

    let mut states = [ReaderState::new(pcsc::PNP_NOTIFICATION(), State::UNAWARE), ReaderState::new(reader.clone(), State::UNAWARE)];
    context.get_status_change(Duration::from_secs(5), &mut states)?;
    println!("{:?} {:02X?}", states[1].event_state(), states[1].atr());

    let mut card = context.connect(reader, ShareMode::Shared, Protocols::ANY)?;
    let status = card.status2_owned()?;
    println!("{:?} {:?} {:02X?}", status.status(), status.protocol2(), status.atr());
    {
        let transaction = card.transaction()?;
        let mut answer = [0; 258];
        println!("{:02X?}", transaction.transmit(b"\x80\xEE\x12\x34\x08", &mut answer)?);
        println!("{:02X?}", transaction.transmit(b"\x00\xC0\x00\x00\x10", &mut answer)?);
        transaction.end(Disposition::LeaveCard).map_err(|(_, error)| error)?;
    }
    println!("{:02X?}", card.get_attribute_owned(Attribute::AtrString)?);
    println!("{:?}", card.get_attribute_owned(Attribute::VendorName).map(|name| String::from_utf8_lossy(&name).into_owned()));
    let mut features = [0; 256];
    println!("{} bytes of features modulo 6", card.control(ctl_code(3400), &[], &mut features)?.len() % 6);
    card.reconnect(ShareMode::Exclusive, Protocols::ANY, Disposition::ResetCard)?;
    let second = Context::establish(Scope::User)?;
    println!("{:?}", second.connect(reader, ShareMode::Shared, Protocols::ANY).map(|_| "a second connection"));
    card.disconnect(Disposition::UnpowerCard).map_err(|(_, error)| error)?;

    let canceller = context.clone();
    let thread = thread::spawn(move || {
        thread::sleep(Duration::from_millis(500));
        canceller.cancel()
    });
    for state in &mut states {
        state.sync_current_state();
    }
    println!("{:?}", context.get_status_change(None, &mut states));
    thread.join().expect("the other thread")?;

    let card = context.connect(reader, ShareMode::Shared, Protocols::ANY)?;
    let mut state = [ReaderState::new(reader.clone(), State::UNAWARE)];
    context.get_status_change(Duration::from_secs(5), &mut state)?;
    host(&["card", "remove"]);
    while !state[0].event_state().contains(State::EMPTY) {
        state[0].sync_current_state();
        context.get_status_change(Duration::from_secs(20), &mut state)?;
    }
    println!("{:?}", card.transmit(b"\x80\xEE\x12\x34\x08", &mut [0; 258]));
    println!("{:?}", context.connect(reader, ShareMode::Shared, Protocols::ANY).map(|_| "a connection to nothing"));
    host(&["card", "insert"]);
    println!("done");
    Ok(())
}
