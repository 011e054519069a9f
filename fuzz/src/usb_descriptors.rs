//! Device and configuration descriptors (USB 2.0 §9.6), and whether an engine can be made of what is found in them.

use crate::exchange::interface;
use crate::input::Input;
use winscard::ccid::Engine;
use winscard::usb::descriptor::{CLASS_DESCRIPTOR_LEN, parse};

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let wanted = match input.below(3) {
        0 => None,
        1 => Some(1),
        _ => Some(input.u8()),
    };
    let bytes = input.rest();
    let Some(device) = parse(bytes, wanted) else { return };
    assert!(wanted.is_none_or(|wanted| wanted == device.configuration));
    assert!(device.interfaces.len() <= 32);
    for (at, found) in device.interfaces.iter().enumerate() {
        assert!(device.interfaces[..at].iter().all(|other| other.number != found.number));
        for endpoint in [found.bulk_in, found.bulk_out, found.interrupt_in]
            .into_iter()
            .flatten()
        {
            assert!((1..=0x7FF).contains(&endpoint.max_packet_len));
            assert!(endpoint.address & 0x0F != 0 && endpoint.address & 0x70 == 0);
        }
        assert!(found.bulk_in.is_none_or(|endpoint| endpoint.address & 0x80 != 0));
        assert!(found.bulk_out.is_none_or(|endpoint| endpoint.address & 0x80 == 0));
        let Some(class) = &found.class_descriptor else { continue };
        assert!(class.len() >= CLASS_DESCRIPTOR_LEN && class.len() <= 255);
        if found.is_reader(device.vendor_id, device.product_id) {
            let mut reader = interface(class.clone());
            reader.vendor_id = device.vendor_id;
            reader.product_id = device.product_id;
            reader.device_release = device.release;
            reader.class = found.class;
            reader.protocol = found.protocol;
            reader.bulk_in = found.bulk_in;
            reader.bulk_out = found.bulk_out;
            reader.interrupt_in = found.interrupt_in;
            let _refused = Engine::new(&reader);
        }
    }
}
