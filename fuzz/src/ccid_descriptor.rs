//! The CCID class descriptor (CCID 1.1 §5.1), with the corrections for the device it is of.

use crate::exchange::interface;
use crate::input::Input;
use winscard::ccid::{Descriptor, Engine};

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let (vendor, product, release) = (input.u16(), input.u16(), input.u16());
    let (class, protocol) = (input.u8(), input.u8());
    let bytes = input.rest();
    let Ok(descriptor) = Descriptor::parse(bytes) else {
        return;
    };
    check(&descriptor);
    let mut reader = interface(bytes.to_vec());
    reader.vendor_id = vendor;
    reader.product_id = product;
    reader.device_release = release;
    reader.class = class;
    reader.protocol = protocol;
    for tokens in [false, true] {
        if tokens {
            reader.bulk_in = None;
            reader.bulk_out = None;
        }
        if let Ok(engine) = Engine::new(&reader) {
            check(engine.descriptor());
            assert!(engine.max_payload_len() >= 1);
            let _said = (engine.level(), engine.pin_support(), engine.leaves_traces());
        }
    }
}

fn check(d: &Descriptor) {
    assert!((1..=256).contains(&d.slots()));
    assert!((1..=d.slots()).contains(&d.busy_slots()));
    assert!((1..=254).contains(&d.max_ifsd()));
    assert!((1..=3).contains(&d.protocols()));
    assert!((1..=7).contains(&d.voltages()));
    assert!(d.max_payload_len() >= 1);
    let _level = (
        d.level(),
        d.auto_parameters(),
        d.auto_negotiation(),
        d.auto_pps(),
        d.auto_ifsd(),
    );
}
